"""How many CPUs this process may use."""

import os
from pathlib import Path


def usable_cpus(
    cgroup_root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> int:
    """The CPUs of our affinity, or fewer when a control group grants less (rounded up)."""
    cpus = os.process_cpu_count() or 1
    quotas = [_quota(folder) for folder in _own_groups(cgroup_root, membership)]
    granted = min((quota for quota in quotas if quota is not None), default=None)
    return cpus if granted is None else max(1, min(cpus, -int(-granted // 1)))


def _own_groups(root: Path, membership: Path) -> list[Path]:
    """Our control group's folder and those above it; only the root where namespaces hide it."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    folders = [root, root / "cpu"]  # version 2; version 1
    if ".." not in own:
        parts = own.split("/") if own else []
        folders += [root.joinpath(*parts[: n + 1]) for n in range(len(parts))]
    return folders


def _quota(folder: Path) -> float | None:
    """CPUs granted by cgroup v2's cpu.max or v1's cfs files in `folder`; None: no limit."""
    try:
        quota, _, period = (folder / "cpu.max").read_text().partition(" ")
    except OSError:
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        except OSError:
            return None
    try:
        return int(quota) / int(period) if int(quota) > 0 and int(period) > 0 else None
    except ValueError:
        return None  # "max"
