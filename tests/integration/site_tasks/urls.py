"""The views of the site."""

from django.urls import path

from site_tasks import views

urlpatterns = [
    path("enqueue", views.enqueue),
    path("many", views.enqueue_many),
    path("result", views.result),
    path("here", views.here),
    path("cancel", views.cancel),
]
