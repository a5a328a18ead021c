"""What the servers of these tests serve: `apps/THEME.py`, its function NAME, as X-App tells."""

import importlib
from wsgiref.validate import validator


def find(environ):
    theme, _, name = environ["HTTP_X_APP"].partition(".")
    return getattr(importlib.import_module(f"apps.{theme}"), name)


def plain(environ, start_response):
    return find(environ)(environ, start_response)


def validated(environ, start_response):
    return validator(find(environ))(environ, start_response)
