"""Open descriptors: as many as the system allows, and how many of them connections may take."""

import resource

# What is not for connections: what a process of ours has open itself, and what the site opens in
# each thread (databases, caches, files).
OWN = 64
PER_THREAD = 16

# Linux allows no more unless it is told to. Programs that the site starts inherit the limit, and
# some of them walk through all numbers below it.
RAISED_MAX = 1 << 20


def raise_limit() -> int:
    """Raises the soft limit of this process, and so of its children, to the hard one.

    Returns how many descriptors a process may have.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = RAISED_MAX if hard == resource.RLIM_INFINITY else min(hard, RAISED_MAX)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return RAISED_MAX if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def for_connections(descriptors: int, threads: int) -> int:
    """How many of a process's descriptors may be connections. Half of them always may."""
    reserved = min(OWN + PER_THREAD * threads, descriptors // 2)
    return descriptors - reserved
