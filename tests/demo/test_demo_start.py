"""corral.demo.prepare: the folder after a first, a second, an interrupted and a refused start."""

import os
import pathlib
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from corral.demo import DemoError, DemoSite, prepare


def query(site: DemoSite, sql: str) -> list[tuple]:
    with sqlite3.connect(site.directory / "db.sqlite3") as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


def documents(site: DemoSite) -> list[tuple]:
    return query(site, "SELECT id, name, sha256 FROM corral_demo_document ORDER BY id")


def run_python(script: str, directory: pathlib.Path) -> int:
    """A set-up with something done to it, in a process of its own."""
    return subprocess.run([sys.executable, "-c", script, str(directory)]).returncode


def test_first_start_makes_everything(tmp_path):
    site = prepare(tmp_path / "new" / "demo")
    assert site.directory == tmp_path / "new" / "demo"
    assert site.env == {"CORRAL_DEMO_DIR": str(site.directory)}
    assert (site.settings, site.app) == ("corral.demo.settings", "corral.demo.wsgi:application")
    names = [name for _, name, _ in documents(site)]
    assert "The Zen of Python.txt" in names
    assert "Numbers of Unicode.csv" in names
    jobs = query(site, "SELECT status, count(*) FROM corral_job GROUP BY status")
    assert jobs == [("READY", query(site, "SELECT count(*) FROM corral_demo_analysis")[0][0])]
    assert query(site, "SELECT username, is_superuser FROM auth_user") == [("demo", 1)]
    assert query(site, "PRAGMA journal_mode") == [("wal",)]
    key = site.directory / "secret.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_text().strip()) >= 50


def test_second_start_changes_nothing(tmp_path):
    site = prepare(tmp_path)
    key = (tmp_path / "secret.key").read_text()
    first = documents(site)
    with sqlite3.connect(tmp_path / "db.sqlite3") as connection:
        connection.execute("UPDATE auth_user SET password = 'changed by its owner'")
        connection.execute("DELETE FROM corral_demo_analysis WHERE document_id = ?", first[0][:1])
        connection.execute("DELETE FROM corral_demo_document WHERE id = ?", first[0][:1])
    connection.close()
    assert prepare(tmp_path) == site
    assert documents(site) == first[1:]
    assert query(site, "SELECT password FROM auth_user") == [("changed by its owner",)]
    assert (tmp_path / "secret.key").read_text() == key


def test_starts_at_the_same_time_take_turns(tmp_path):
    with ThreadPoolExecutor(3) as pool:
        sites = list(pool.map(prepare, [tmp_path] * 3))
    names = [name for _, name, _ in documents(sites[0])]
    assert len(names) == len(set(names)) > 1
    assert query(sites[0], "SELECT count(*) FROM auth_user") == [(1,)]


# What the process is doing when it dies.
INTERRUPTIONS = {
    "key": "os.rename = pathlib.Path.rename = lambda *_: os._exit(9)",
    "tables": "setup._migrate = lambda: os._exit(9)",
    "between tables": (
        "from django.db.migrations.executor import MigrationExecutor as Executor\n"
        "apply, seen = Executor.apply_migration, []\n"
        "def die(self, *given, **named):\n"
        "    seen.append(1)\n"
        "    len(seen) == 5 and os._exit(9)\n"
        "    return apply(self, *given, **named)\n"
        "Executor.apply_migration = die"
    ),
    "user": "setup._create_user = lambda: os._exit(9)",
    "between samples": (
        "import corral.demo.samples as samples\n"
        "found = samples.find_samples\n"
        "class Dies(list):\n"
        "    def __iter__(self):\n"
        "        yield from self[:2]\n"
        "        os._exit(9)\n"
        "patch = lambda: Dies(found())\n"
        "samples.find_samples = patch"
    ),
}


@pytest.mark.parametrize("moment", INTERRUPTIONS)
def test_an_interrupted_start_is_completed_by_the_next(tmp_path, moment):
    patch = INTERRUPTIONS[moment]
    if "samples" in moment:  # its module needs Django: patched when the set-up gets there
        indented = patch.replace("\n", "\n    ")
        patch = f"real = setup._add_samples\ndef late():\n    {indented}\n    real()\n"
        patch += "setup._add_samples = late"
    script = (
        "import os, pathlib, sys\nfrom corral.demo import setup\n"
        f"{patch}\nsetup.set_up(pathlib.Path(sys.argv[1]))"
    )
    assert run_python(script, tmp_path) == 9
    interrupted = prepare(tmp_path)
    fresh = prepare(tmp_path / "fresh")
    assert [d[1:] for d in documents(interrupted)] == [d[1:] for d in documents(fresh)]
    for table in ("corral_job", "auth_user", "django_migrations"):
        count = f"SELECT count(*) FROM {table}"
        assert query(interrupted, count) == query(fresh, count)


def refusal(directory: pathlib.Path) -> str:
    with pytest.raises(DemoError) as raised:
        prepare(directory)
    text = str(raised.value)
    assert "\n" not in text
    assert text.startswith("CORRAL-610 ")
    assert str(directory) in text
    return text


def test_a_file_is_no_folder(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    assert "is not a folder" in refusal(file)
    assert "Not a directory" in refusal(file / "below")


def test_a_folder_that_cannot_be_made():
    assert "No such file or directory" in refusal(pathlib.Path("/proc/demo"))


def test_a_database_that_is_none(tmp_path):
    (tmp_path / "db.sqlite3").write_bytes(os.urandom(9000))
    assert "file is not a database" in refusal(tmp_path)


def test_preparing_loads_no_django():
    script = (
        "import sys, corral.demo\n"
        "sys.exit(any(name.partition('.')[0] == 'django' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
