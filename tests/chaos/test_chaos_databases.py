"""The database is cut off, away, locked or full for longer than the lease; nothing runs twice."""

from chaos import harms
from chaos.short import strike_each


def test_a_postgresql_in_trouble_loses_and_doubles_nothing() -> None:
    strike_each("postgresql", harms.ConnectionsTerminated, harms.ServerRefuses, harms.ServerCrashes)


def test_an_sqlite_in_trouble_loses_and_doubles_nothing() -> None:
    strike_each("sqlite", harms.DatabaseLocked, harms.DiskFull)
