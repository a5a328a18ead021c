"""Open descriptors: as many as the system allows, and how many of them connections may take."""

import resource

# What is not for connections: what a process of ours has open itself, and what the site opens in
# each thread (databases, caches, files).
OWN = 64
PER_THREAD = 16

# Both ends of every inbox (src/control/scoreboard.h), its own and its siblings', are open in each
# process that shares its listening sockets with others, and in the supervisor. For each child the
# supervisor has the control channel and a handle of the process besides.
PER_INBOX = 2
PER_CHILD = 2

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


def for_connections(descriptors: int, threads: int, siblings: int = 1) -> int:
    """How many of a process's descriptors may be connections.

    The process has so many `threads` and is one of so many `siblings`, itself included. Of what
    their inboxes leave, half always may be connections.
    """
    left = max(0, descriptors - _inboxes(siblings))
    return left - min(OWN + PER_THREAD * threads, left // 2)


def for_supervisor(siblings: int) -> int:
    """How many descriptors the supervisor of so many equal processes needs."""
    return OWN + _inboxes(siblings) + PER_CHILD * siblings


def _inboxes(siblings: int) -> int:
    return PER_INBOX * siblings if siblings > 1 else 0
