"""A page from a database: the same file and settings for every server."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cases.rate import RateCase
from servers import ROOT

DATABASE = ROOT / ".bench" / "page.sqlite3"


@dataclass(frozen=True, kw_only=True)
class PageCase(RateCase):
    """Makes the database anew for each run of the bench."""

    def environment(self) -> Mapping[str, str]:
        DATABASE.parent.mkdir(exist_ok=True)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{DATABASE}{suffix}").unlink(missing_ok=True)
        env = {"BENCH_DATABASE": str(DATABASE)}
        command = [sys.executable, "-m", "bench.apps.site.make_data"]
        subprocess.run(command, env=dict(os.environ) | env, cwd=ROOT, check=True)
        return env
