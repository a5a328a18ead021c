"""`python -m corral.demo.setup DIR`: make the demo's folder ready. Run by corral.demo.prepare.

Each step does nothing when its result is already there and is one transaction or one rename, so an
interrupted run is completed by the next one. Exit status 1 with one line on standard error.
"""

import contextlib
import fcntl
import os
import pathlib
import secrets
import sys
from collections.abc import Iterator

from corral.demo.start import PASSWORD, USER_NAME

DATABASE = "db.sqlite3"


def main(argv: list[str]) -> int:
    """Set the folder named by the only argument up; the exit status."""
    if len(argv) != 1:
        print("CORRAL-610 usage: python -m corral.demo.setup DIR", file=sys.stderr)
        return 1
    directory = pathlib.Path(argv[0]).absolute()
    try:
        set_up(directory)
    except Exception as error:
        message = f"CORRAL-610 the demo in {directory} could not be set up: {_in_one_line(error)}"
        print(f"{message}; nothing was started, try another folder", file=sys.stderr)
        return 1
    return 0


def _in_one_line(error: Exception) -> str:
    if isinstance(error, FileExistsError):
        return f"{error.filename} is not a folder"
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}"
    return " ".join(str(error).split()) or type(error).__name__


def set_up(directory: pathlib.Path) -> None:
    """Folder, secret key, tables, user, samples."""
    directory.mkdir(parents=True, exist_ok=True)
    with _only_one(directory):
        _write_secret_key(directory / "secret.key")
        os.environ["CORRAL_DEMO_DIR"] = str(directory)
        os.environ["DJANGO_SETTINGS_MODULE"] = "corral.demo.settings"
        import django

        django.setup()
        _migrate()
        _create_user()
        _add_samples()


@contextlib.contextmanager
def _only_one(directory: pathlib.Path) -> Iterator[None]:
    """Demos started at once on one folder take turns; the kernel frees a dead one's lock."""
    with open(directory / ".setup.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_secret_key(path: pathlib.Path) -> None:
    if path.exists():
        return
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(50) + "\n")
    part.rename(path)


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    # The command costs half a second even when there is nothing to do.
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, interactive=False)


def _create_user() -> None:
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if not users.filter(username=USER_NAME).exists():
        users.create_superuser(USER_NAME, email="demo@example.com", password=PASSWORD)


def _add_samples() -> None:
    from django.db import transaction

    from corral.demo.models import Document
    from corral.demo.samples import find_samples
    from corral.demo.work import start_analyses

    if Document.objects.exists():
        return
    found = find_samples()
    with transaction.atomic():
        for sample, text in found:
            document = Document.objects.add(sample.name, text, sample.kind, is_sample=True)
            start_analyses(document)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
