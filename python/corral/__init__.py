"""Corral serves a Django site and runs its background work from one supervised program.

This module stays small and can be parsed by old Pythons: every worker imports it, and the command
line says in one line when Python is too old.
"""

__version__ = "0.1.0"

__all__ = ["CommandSpec", "__version__", "run_application"]


def __getattr__(name):
    if name in ("CommandSpec", "run_application"):
        from corral import application

        return getattr(application, name)
    raise AttributeError("module 'corral' has no attribute " + repr(name))
