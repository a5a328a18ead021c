"""One view: enqueues a job from within the server, for the latency in one process."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from .client import enqueue


def enqueue_stamp(request: HttpRequest, port: int) -> HttpResponse:
    return HttpResponse(repr(enqueue("stamp", port)))


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


urlpatterns = [path("", hello), path("stamp/<int:port>", enqueue_stamp)]
