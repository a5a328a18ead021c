"""A Django site whose views show what has become of a request, and answer in Django's ways."""

import hashlib
import io
import tempfile
from wsgiref.validate import validator

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of these tests",
    MIDDLEWARE=[
        "django.middleware.common.CommonMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
    ],
)

from django.core.wsgi import get_wsgi_application  # noqa: E402  settings come first
from django.http import (  # noqa: E402
    FileResponse,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path  # noqa: E402


def content(size):
    period = bytes(range(251))
    return period * (size // 251) + period[: size % 251]


def body(request):
    return JsonResponse(
        {"size": len(request.body), "sha": hashlib.sha256(request.body).hexdigest()}
    )


def form(request):
    files = {name: hashlib.sha256(file.read()).hexdigest() for name, file in request.FILES.items()}
    return JsonResponse({"fields": request.POST.dict(), "files": files})


def told(request):
    return JsonResponse(
        {
            "url": request.build_absolute_uri(),
            "cookies": request.COOKIES,
            "headers": dict(request.headers),
        }
    )


def _file(kind, size):
    file = io.BytesIO() if kind == "memory" else tempfile.TemporaryFile()  # noqa: SIM115
    file.write(content(size))
    return file


def file(request, kind, size, start):
    """Django tells the length of what is behind the file's position."""
    opened = _file(kind, size)
    opened.seek(start)
    return FileResponse(opened, filename="a file.bin")


def page(request):
    return HttpResponse(content(20_000))


def stream(request):
    return StreamingHttpResponse(content(size) for size in (1, 0, 100_000, 7))


urlpatterns = [
    path("body", body),
    path("form", form),
    path("told", told),
    path("file/<kind>/<int:size>/<int:start>", file),
    path("page", page),
    path("stream", stream),
]

application = get_wsgi_application()
validated = validator(application)
