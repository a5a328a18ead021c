"""Loads the WSGI callable of a web worker, so completely that a broken site fails here, at boot."""

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from corral import failures, site
from corral.config import suggest
from corral.exceptions import ConfigurationError

CO_COROUTINE = 0x80  # inspect.CO_COROUTINE, without importing it


def load(load: str) -> Callable[..., Any]:
    """The callable that `app` names, or the site's WSGI_APPLICATION.

    Raises WorkerException with one line for the operator. Where Django is set up by then, its whole
    URL configuration has been imported.
    """
    config: dict[str, Any] = json.loads(load)
    if config.get("app"):
        module, _, attribute = config["app"].partition(":")
        application = _find(module, attribute or "application", f"application {config['app']}")
    else:
        application = _load_from_settings(config)
    conf = sys.modules.get("django.conf")
    if conf is not None and conf.settings.configured and sys.modules["django.apps"].apps.ready:
        _check_secret_key(conf.settings)
        _resolve_urls(conf.settings)
    return application


def _load_from_settings(config: dict[str, Any]) -> Callable[..., Any]:
    """As django.core.servers.basehttp.get_internal_wsgi_application() does."""
    site.setup_django(config)
    from django.conf import settings

    path = settings.WSGI_APPLICATION
    if path is None:
        from django.core.wsgi import get_wsgi_application

        return get_wsgi_application()
    what = f"WSGI_APPLICATION {path!r} of the settings"
    module, _, attribute = str(path).rpartition(".")
    if not module:
        raise ConfigurationError(f"{what}: is not a dotted path to a callable")
    return _find(module, attribute, what)


def _find(module_name: str, path: str, what: str) -> Callable[..., Any]:
    module = site.import_module(module_name, what)
    wants_call = path.endswith("()")
    found: Any = module
    for name in path.removesuffix("()").split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise ConfigurationError(f"{what}: {_explain_absent(found, name)}") from error
        except BaseException as error:  # a module's __getattr__, a property
            raise failures.load_failure(error, what) from error
    if wants_call:
        found = _call_factory(found, what)
    return _check(found, what)


def _call_factory(factory: Any, what: str) -> Any:
    if not callable(factory):
        raise ConfigurationError(f"{what}: is a {type(factory).__name__} and cannot be called")
    try:
        return factory()
    except BaseException as error:
        raise failures.load_failure(error, what) from error


def _check(application: Any, what: str) -> Callable[..., Any]:
    if not callable(application):
        is_module = isinstance(application, ModuleType)
        kind = "a module" if is_module else f"of type {type(application).__name__}"
        raise ConfigurationError(
            f"{what}: is not callable but {kind}; name a WSGI callable, or a factory with ()"
        )
    if _is_coroutine(application) or _is_coroutine(type(application).__call__):
        raise ConfigurationError(
            f"{what}: is an ASGI application; name the WSGI one, in Django's projects wsgi.py's"
        )
    return application


def _is_coroutine(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and bool(code.co_flags & CO_COROUTINE)


def _explain_absent(owner: Any, name: str) -> str:
    label = f"module {owner.__name__!r}" if isinstance(owner, ModuleType) else type(owner).__name__
    offered = [n for n in dir(owner) if not n.startswith("_") and callable(getattr(owner, n, None))]
    hint = suggest(name, offered)
    if not hint and 0 < len(offered) <= 8:
        hint = "; it offers " + ", ".join(offered)
    return f"{label} has no attribute {name!r}{hint}"


def _check_secret_key(settings: Any) -> None:
    """Refuses an empty SECRET_KEY where something that signs is installed.

    Django itself starts without one, and fails when somebody logs in.
    """
    from django.apps import apps
    from django.core.exceptions import ImproperlyConfigured

    signers = [f"django.contrib.{name}" for name in ("auth", "sessions", "messages")]
    user = next((name for name in signers if apps.is_installed(name)), None)
    try:
        settings.SECRET_KEY  # noqa: B018  raises when it is empty
    except ImproperlyConfigured as error:
        if user:
            raise ConfigurationError(f"{str(error).rstrip('.')}; {user} needs it") from error


def _resolve_urls(settings: Any) -> None:
    """Imports every URL configuration and error handler that the site names.

    Django itself would do it at the first request, and answer 500 from then on.
    """
    urlconf = getattr(settings, "ROOT_URLCONF", None)
    if not urlconf:
        return
    what = f"URL configuration {urlconf}"
    try:
        from django.urls import get_resolver

        resolver = get_resolver()
        _import_patterns(resolver)
        for status in (400, 403, 404, 500):
            resolver.resolve_error_handler(status)
        resolver.reverse_dict  # noqa: B018  fills the resolver's tables before the first request
    except BaseException as error:
        raise failures.load_failure(error, what) from error


def _import_patterns(resolver: Any) -> None:
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            _import_patterns(pattern)
