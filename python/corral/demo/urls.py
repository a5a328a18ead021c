"""Pages of the demo."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import path, re_path
from django.views.generic import RedirectView

from corral.demo import views

admin.site.site_header = "Corral demo"
admin.site.site_title = "Corral demo"
admin.site.index_title = "Documents and jobs"

urlpatterns = [
    path("", views.start, name="start"),
    path("upload/", views.upload, name="upload"),
    path("jobs.json", views.recent_jobs, name="recent-jobs"),
    path("again/", views.analyse_all_again, name="analyse-all-again"),
    path("documents/<int:pk>/", views.document, name="document"),
    path("documents/<int:pk>/jobs.json", views.document_jobs, name="document-jobs"),
    path("documents/<int:pk>/again/", views.analyse_again, name="analyse-again"),
    path("documents/<int:pk>/delete/", views.delete_document, name="delete-document"),
    path("documents/<int:pk>/results/<slug:kind>/", views.result, name="result"),
    path("admin/", admin.site.urls),
    re_path(r"^static/(?P<path>.*)$", views.static_file),
    # The admin's pages name no icon, so browsers ask for this one.
    path("favicon.ico", RedirectView.as_view(url=static("demo/icon.svg"))),
]
