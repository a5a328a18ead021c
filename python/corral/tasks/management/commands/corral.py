"""`manage.py corral ...`: the `corral` command with this project's settings and folder."""

import os
import sys

from django.core.management.base import BaseCommand

from corral.plan import interpreter_flags


class Command(BaseCommand):
    """Replaces this process by `python -m corral`: the supervisor loads nothing of the site."""

    help = "Serves this site and runs its background work (corral serve, work, config, ...)."
    requires_system_checks = []  # noqa: RUF012  Django's own spelling

    def run_from_argv(self, argv: list[str]) -> None:
        """`argv` is ["manage.py", "corral", ...]; what follows is the command line's."""
        folder = os.path.dirname(os.path.abspath(argv[0]))
        if folder != os.getcwd():  # manage.py's folder is where the project's modules are
            known = os.environ.get("PYTHONPATH")
            os.environ["PYTHONPATH"] = folder + (os.pathsep + known if known else "")
        sys.stdout.flush()
        sys.stderr.flush()
        command = [sys.executable, *interpreter_flags(), "-P", "-m", "corral", *argv[2:]]
        os.execv(sys.executable, command)

    def handle(self, *args: object, **options: object) -> None:
        """Not for call_command(): a server does not return to its caller."""
        raise SystemExit("run it as: python manage.py corral serve")
