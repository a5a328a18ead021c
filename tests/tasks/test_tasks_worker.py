"""worker.load: a good site starts, every mistake is one line with its remedy."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import override_settings
from tasks_databases import DATABASES, HERE, PYTHON, require
from tasks_harness import backend, enqueue, row
from tasks_site import tasks

from corral.exceptions import ConfigurationError
from corral.tasks.store import open_store
from corral.tasks.worker import load, store_config

CORRAL = {"BACKEND": "corral.tasks.DatabaseBackend"}
NODE = json.dumps({"incarnation": "0" * 32, "host": "here", "pid": 1, "lease_ms": 60_000})


def options(**more: Any) -> str:
    return json.dumps({"role": "tasks", "queues": None, "optional": False, **more})


def refusal(**more: Any) -> str:
    with pytest.raises(ConfigurationError) as error:
        load(options(**more))
    line = str(error.value)
    assert "\n" not in line
    return line


def test_a_job_goes_all_the_way(default_database: str) -> None:
    run, config, _ = load(options())  # type: ignore[misc]
    assert connections["default"].connection is None
    store = open_store(config, NODE)
    store.open()
    key = enqueue("default", tasks.add, 1)
    (job,), _ = store.claim(1, False)
    assert store.finish([(key, job[1], *run(job[4]))]) == 0
    assert row("default", key).return_value == 2
    store.close()


def test_the_store_serves_what_the_site_declares(default_database: str) -> None:
    def queues(**more: Any) -> Any:
        return pickle.loads(load(options(**more))[1])["queues"]  # type: ignore[index]

    assert queues() == ["default", "mail", "slow"]
    assert queues(queues=["slow", "mail", "slow"]) == ["slow", "mail"]
    with override_settings(TASKS={"default": {**CORRAL, "QUEUES": []}}):
        assert queues() is None
        assert queues(queues=["anything"]) == ["anything"]
    with override_settings(
        TASKS={
            "default": {**CORRAL, "QUEUES": ["a"], "OPTIONS": {"max_crashes": 1}},
            "other": {**CORRAL, "QUEUES": ["b"]},
        }
    ):
        config = pickle.loads(load(options())[1])  # type: ignore[index]
        assert config["queues"] == ["a", "b"]
        assert config["max_crashes"] == {"default": 1, "other": 2}


def test_queues_may_have_weights(default_database: str) -> None:
    def chosen(*queues: str) -> Any:
        config = pickle.loads(load(options(queues=list(queues)))[1])  # type: ignore[index]
        return config["queues"], config["weights"]

    assert chosen("mail:3", "default") == (["mail", "default"], {"mail": 3})
    with override_settings(TASKS={"default": {**CORRAL, "QUEUES": []}}):
        assert chosen("mail:3", "*") == (None, {"mail": 3})
    assert chosen("mail:3", "*") == (["default", "mail", "slow"], {"mail": 3})
    assert "'nonsense'" in refusal(queues=["nonsense:3"])


def test_unknown_queues(default_database: str) -> None:
    line = refusal(queues=["mail", "nonsense"])
    assert "'nonsense'" in line and "'mail'" in line and "'default'" in line


def test_a_site_without_the_backend() -> None:
    with override_settings(
        TASKS={"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}
    ):
        assert load(options(optional=True)) is None
        assert "corral.tasks.DatabaseBackend" in refusal()


def test_a_site_without_the_app() -> None:
    with override_settings(INSTALLED_APPS=["django.contrib.contenttypes"]):
        assert "INSTALLED_APPS" in refusal(optional=True)


def test_wrong_options() -> None:
    for wrong, word in (
        ({"max_crashes": 0}, "1..100"),
        ({"max_crashes": 101}, "1..100"),
        ({"max_crashes": True}, "True"),
        ({"max_crashes": "2"}, "'2'"),
        ({"database": "nowhere"}, "'nowhere'"),
        ({"max_crash": 1}, "max_crashes"),
    ):
        with override_settings(TASKS={"default": {**CORRAL, "OPTIONS": wrong}}):
            assert word in refusal()


def test_several_databases() -> None:
    require("postgresql")
    with override_settings(
        TASKS={"default": CORRAL, "other": {**CORRAL, "OPTIONS": {"database": "postgresql"}}}
    ):
        line = refusal()
        assert "'other' in 'postgresql'" in line


def test_migrations_that_are_missing(tmp_path: Path) -> None:
    line = load_elsewhere({"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "new")})
    assert line == (
        "the tables of corral.tasks are missing or old in database 'default': "
        "run `python manage.py migrate corral_tasks`"
    )


def test_a_database_in_memory() -> None:
    line = load_elsewhere({"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"})
    assert "in memory" in line and "NAME" in line


def test_an_unsupported_database() -> None:
    line = load_elsewhere({"ENGINE": "django.db.backends.dummy"})
    assert "SQLite, PostgreSQL, MariaDB and MySQL" in line


def load_elsewhere(database: dict[str, Any]) -> str:
    """The line that a worker of a site with this default database ends with."""
    code = (
        "from corral.tasks.worker import load\n"
        "from corral.exceptions import ConfigurationError\n"
        "try: load('{}')\n"
        "except ConfigurationError as error: print(error)"
    )
    return run_elsewhere(
        code,
        DJANGO_SETTINGS_MODULE="tasks_site.settings",
        CORRAL_TEST_DATABASES=json.dumps({"default": database}),
    )


def run_elsewhere(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{PYTHON}:{HERE}", **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_without_settings() -> None:
    code = (
        "from corral.tasks.worker import load\n"
        "from corral.exceptions import ConfigurationError\n"
        "print(load('{\"optional\": true}'))\n"
        "try: load('{}')\n"
        "except ConfigurationError as error: print(error)"
    )
    first, second = run_elsewhere(code).splitlines()
    assert first == "None" and "--settings" in second


def test_settings_come_from_the_options_too() -> None:
    code = (
        "from corral.tasks.worker import load\n"
        'print(load(\'{"settings": "tasks_site.settings"}\') is not None)'
    )
    databases = {"default": DATABASES["default"]}
    assert run_elsewhere(code, CORRAL_TEST_DATABASES=json.dumps(databases)) == "True"


def test_the_description_is_plain(default_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = connections["default"].settings_dict
    monkeypatch.setitem(settings, "NAME", Path(settings["NAME"]))
    monkeypatch.setitem(settings, "OPTIONS", {"pool": {"min_size": 1}, "timeout": Float(3)})
    ours = [backend("default")]
    database = pickle.loads(pickle.dumps(store_config("default", ours, None)))["database"]
    assert type(database["NAME"]) is str and type(database["OPTIONS"]["timeout"]) is float
    assert "pool" not in database["OPTIONS"] and "TEST" not in database
    monkeypatch.setitem(settings["OPTIONS"], "odd", object())
    with pytest.raises(ConfigurationError) as error:
        store_config("default", ours, None)
    assert "DATABASES['default']['OPTIONS']['odd']" in str(error.value)


class Float(float):
    """A number of a class that the keeper's interpreter does not have."""
