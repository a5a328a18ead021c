"""The MySQL driver: mysqlclient where it is installed, else PyMySQL under its name."""

from __future__ import annotations

from types import ModuleType


def load() -> ModuleType:
    """The module `MySQLdb`; Django imports it by that name."""
    try:
        import MySQLdb
    except ImportError:
        import pymysql

        pymysql.install_as_MySQLdb()
        import MySQLdb
    return MySQLdb
