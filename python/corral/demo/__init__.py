"""The demo site: a small Django site on SQLite whose background work runs in Corral.

This module is imported by the supervisor, which loads no user code: it must not import Django.
"""

from corral.demo.start import DemoError, DemoSite, prepare

__all__ = ["DemoError", "DemoSite", "prepare"]
