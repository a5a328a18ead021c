"""One view: a web worker that enqueues."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from chaos_site import tasks


def enqueue(request: HttpRequest) -> HttpResponse:
    """Enqueues a quick job; says its id."""
    return HttpResponse(tasks.quick.enqueue().id)


urlpatterns = [path("enqueue", enqueue)]
