"""The load generator, and the peers in an environment of their own (.bench/venv)."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from servers import PEERS_PYTHON, ROOT, Server

UV = ROOT / ".tools" / "bin" / "uv"
INSTALL_SECONDS_MAX = 300


def need_wrk() -> None:
    """Ends with the line to run when there is none and we are not root."""
    need_tool("wrk", "wrk")


def need_tool(command: str, package: str) -> None:
    """Installs the distribution's package as root, otherwise ends with the line to run."""
    found = subprocess.run(["sh", "-c", f"command -v {command}"], stdout=subprocess.DEVNULL)
    if found.returncode == 0:
        return
    common = ROOT / "tools" / "common.sh"
    install = f"set -e; source {str(common)!r}; need_packages {package}"
    if subprocess.run(["bash", "-c", install]).returncode != 0:
        sys.exit(1)


def prepare_peers(servers: list[Server]) -> dict[str, str]:
    """Makes .bench/venv and installs the peers, one by one.

    Returns the reason for each distribution that cannot be had.
    """
    return prepare_packages({server.package for server in servers if server.package})


def prepare_packages(packages: set[str]) -> dict[str, str]:
    """The same for distributions, which may name extras: ``celery[redis]``."""
    if not packages:
        return {}
    base = sys._base_executable  # type: ignore[attr-defined]
    venv = PEERS_PYTHON.parent.parent
    mark = venv / ".base"
    if not PEERS_PYTHON.exists() or not mark.exists() or mark.read_text() != base:
        print("bench: making .bench/venv", file=sys.stderr)
        _uv("venv", "--quiet", "--clear", "--no-python-downloads", "--python", base, venv)
        mark.write_text(base)
    missing: dict[str, str] = {}
    have = installed_versions()
    # The same Django for everybody, or the comparison is one of Djangos.
    django = f"django=={importlib.metadata.version('django')}"
    if have.get("django") != django.partition("==")[2]:
        _uv("pip", "install", "--quiet", "--python", PEERS_PYTHON, django)
    for package in sorted(packages):
        if package.partition("[")[0] in have:
            continue
        print(f"bench: installing {package}", file=sys.stderr)
        if reason := _uv("pip", "install", "--quiet", "--python", PEERS_PYTHON, package, django):
            missing[package] = f"not installed: {reason}"
    return missing


def _uv(*arguments: str | Path) -> str:
    """Runs uv; returns the last line of its complaint, empty when it went well."""
    try:
        done = subprocess.run(
            [UV, *arguments], capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX
        )
    except subprocess.TimeoutExpired:
        return f"uv did not end in {INSTALL_SECONDS_MAX} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines()
    return lines[-1].strip() if lines else "uv failed"


def installed_versions() -> dict[str, str]:
    """Distributions of .bench/venv with their versions."""
    if not PEERS_PYTHON.exists():
        return {}
    code = (
        "import importlib.metadata as m, json; "
        "print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
    )
    done = subprocess.run([str(PEERS_PYTHON), "-c", code], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def postgres() -> dict[str, str]:
    """How to reach the PostgreSQL server, as parameters of libpq."""
    return {
        "host": os.environ.get("BENCH_POSTGRES_HOST", "127.0.0.1"),
        "port": os.environ.get("BENCH_POSTGRES_PORT", "5432"),
        "user": os.environ.get("BENCH_POSTGRES_USER", "postgres"),
    }


def describe_machine() -> dict[str, str | int]:
    """What a reader needs to judge the digits."""
    cpu_lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in cpu_lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cpus": len(models) or 1,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "django": importlib.metadata.version("django"),
    }
