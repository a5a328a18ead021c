"""Two views."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from bench.apps.site.models import Product

ROWS = 20


def hello(request: HttpRequest) -> HttpResponse:
    """The same body as the raw application's."""
    return HttpResponse("Hello, World!", content_type="text/plain")


def page(request: HttpRequest) -> HttpResponse:
    """The newest products, in a template that extends another."""
    products = Product.objects.filter(stock__gt=0).order_by("-added")[:ROWS]
    return render(request, "page.html", {"products": products})


urlpatterns = [path("", hello), path("page/", page)]
