"""Listening sockets: made and owned by the supervisor, inherited by every child.

A second program on the same port must fail here and be told so; that is why SO_REUSEPORT, which
would let both listen, is never set.
"""

import errno
import os
import pwd
import socket
import stat
from collections.abc import Sequence
from types import TracebackType

from corral.exceptions import ConfigurationError
from corral.values import Address

UNIX_PATH_BYTES_MAX = 107  # sockaddr_un, without its final zero
# Whoever may reach the folder may connect, as with a port; a proxy usually is another user. Unless
# --umask says otherwise: the umask that processes inherit is not about sockets.
UNIX_MODE = 0o666


class Listeners:
    """Open listening sockets. Use it as a context manager; leaving it removes unix socket files."""

    def __init__(
        self, addresses: Sequence[Address], backlog: int, name: str = "--bind",
        unix_mode: int = UNIX_MODE,
    ) -> None:  # fmt: skip
        """Opens all or raises ConfigurationError, whose line begins with `name`."""
        self._unix_mode = unix_mode
        self._sockets: list[socket.socket] = []
        self._files: list[tuple[str, int, int]] = []
        self._addresses: list[str] = []
        self._owner = os.getpid()
        self._four = {a.port for a in addresses if a.kind == "tcp" and a.host == "0.0.0.0"}
        try:
            for address in addresses:
                self._open(address, backlog)
        except _Refused as error:
            self.close()
            raise ConfigurationError(f"{name}: {error}") from None
        except BaseException:
            self.close()
            raise

    @property
    def fds(self) -> list[int]:
        """Descriptor numbers, non-blocking, in the order of the addresses."""
        return [sock.fileno() for sock in self._sockets]

    @property
    def addresses(self) -> list[str]:
        """As shown to people: http://127.0.0.1:8000, unix:/run/site.sock."""
        return self._addresses

    def close(self) -> None:
        """Closes the sockets and removes the socket files that this process made."""
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
        if os.getpid() != self._owner:
            return
        for path, device, inode in self._files:
            try:
                status = os.lstat(path)
                if (status.st_dev, status.st_ino) == (device, inode):
                    os.unlink(path)
            except OSError:
                pass  # gone already, or no longer ours to remove
        self._files.clear()

    def __enter__(self) -> Listeners:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def _open(self, address: Address, backlog: int) -> None:
        if address.kind == "fd":
            self._add(_adopt(address))
        elif address.kind == "unix":
            self._add(self._bind_unix(address, backlog))
        else:
            for sock in _bind_tcp(address, backlog, address.port in self._four):
                self._add(sock)

    def _add(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sockets.append(sock)
        self._addresses.append(_describe(sock))

    def _bind_unix(self, address: Address, backlog: int) -> socket.socket:
        path = os.path.abspath(address.path)
        if len(os.fsencode(path)) > UNIX_PATH_BYTES_MAX:
            raise _Refused(f"unix:{path} is longer than {UNIX_PATH_BYTES_MAX} bytes")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _remove_stale(path)
            # The umask bounds the mode from the first moment; chmod then sets it exactly.
            before = os.umask(0o777 & ~self._unix_mode)
            try:
                sock.bind(path)
            finally:
                os.umask(before)
            status = os.lstat(path)
            self._files.append((path, status.st_dev, status.st_ino))
            os.chmod(path, self._unix_mode)
            sock.listen(backlog)
        except OSError as error:
            sock.close()
            raise _Refused(f"unix:{path} {_explain_unix(error, path)}") from None
        except _Refused:
            sock.close()
            raise
        return sock


class _Refused(Exception):
    """One line about an address, without the setting's name."""


def _bind_tcp(address: Address, backlog: int, four_too: bool) -> list[socket.socket]:
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise _Refused(f"{address}: host {address.host!r} is not known ({reason})") from None
    targets = list(dict.fromkeys((family, target) for family, _, _, _, target in found))
    if address.port == 0:
        targets = targets[:1]  # each would get a port of its own
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, target in targets:
        try:
            sockets.append(_listen_tcp(family, target, backlog, four_too))
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                missing = error  # "localhost" names ::1 also where IPv6 is off
                continue
            for sock in sockets:
                sock.close()
            raise _Refused(f"{address} {_explain_tcp(error)}") from None
    if not sockets:
        assert missing is not None
        raise _Refused(f"{address} {_explain_tcp(missing)}")
    return sockets


def _listen_tcp(
    family: int, target: tuple[object, ...], backlog: int, four_too: bool
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # [::] takes IPv4 too, unless 0.0.0.0 was asked for on the same port.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(four_too))
        sock.bind(target)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _explain_tcp(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "is already in use by another program; stop it or choose another port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            "needs a privilege that this user does not have; choose a port from 1024 on "
            "or grant CAP_NET_BIND_SERVICE"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return "is not an address of this machine; 0.0.0.0 stands for all of them"
    return f"cannot be listened on: {error.strerror}"


def _remove_stale(path: str) -> None:
    """Removes what a killed server left at `path`; refuses to touch anything else."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise _Refused(f"unix:{path} exists and is not a socket; choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # its queue is full: somebody listens
    raise _Refused(f"unix:{path} is already in use by another program; stop it or choose another")


def _explain_unix(error: OSError, path: str) -> str:
    folder = os.path.dirname(path)
    if error.errno == errno.ENOENT:
        return f"cannot be made: there is no directory {folder}; make it or choose another path"
    if error.errno == errno.ENOTDIR:
        return f"cannot be made: {folder} is not a directory; choose another path"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"cannot be made: user {_user_name()} may not use {folder} or what is there; "
            "change its permissions or choose another path"
        )
    if error.errno == errno.EADDRINUSE:
        return "is already in use by another program; stop it or choose another path"
    return f"cannot be made: {error.strerror}; choose another path"


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _adopt(address: Address) -> socket.socket:
    """The socket that we inherited as this descriptor. Keeps the number."""
    try:
        if not stat.S_ISSOCK(os.fstat(address.fd).st_mode):
            raise _Refused(f"{address} is open but is no socket; pass a listening socket")
    except OSError:
        raise _Refused(
            f"{address} is not open; whoever starts Corral must pass that descriptor"
        ) from None
    sock = socket.socket(fileno=address.fd)
    problem = ""
    if sock.type != socket.SOCK_STREAM:
        problem = "is not a stream socket"
    elif sock.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        problem = "is neither a TCP nor a unix socket"
    elif not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        problem = "does not listen"
    if problem:
        sock.detach()
        raise _Refused(f"{address} {problem}; pass a listening socket")
    return sock


def _describe(sock: socket.socket) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return "unix:" + (os.fsdecode(name) or "unnamed")
    host, port = name[0], name[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
