"""Listening sockets: what is bound, what is refused and in which words, what is left behind."""

import os
import socket
import stat
import subprocess
import sys

import pytest

from corral.exceptions import ConfigurationError
from corral.sockets import UNIX_MODE, Listeners
from corral.values import Addresses

NOBODY = 65534


def listen(*texts: str, name: str = "--bind") -> Listeners:
    return Listeners([Addresses().parse(text) for text in texts], 16, name)


def refused(*texts: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        listen(*texts)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_tcp_listens_at_once():
    with listen("127.0.0.1:0") as listeners:
        (fd,) = listeners.fds
        (address,) = listeners.addresses
        assert address.startswith("http://127.0.0.1:")
        port = int(address.rpartition(":")[2])
        assert port > 0
        assert not os.get_blocking(fd)
        with socket.socket(fileno=os.dup(fd)) as server:
            assert server.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
            assert server.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
            with socket.create_connection(("127.0.0.1", port)):
                server.setblocking(True)
                server.accept()[0].close()
    with pytest.raises(OSError):
        os.fstat(fd)


def test_a_second_one_is_refused_and_leaves_nothing_open():
    before = len(os.listdir("/proc/self/fd"))
    with listen("127.0.0.1:0") as listeners:
        taken = listeners.addresses[0].removeprefix("http://")
        line = refused("127.0.0.1:0", taken)
        assert line == (
            f"--bind: {taken} is already in use by another program; stop it or choose another port"
        )
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_line_begins_with_the_setting_s_source():
    with listen("127.0.0.1:0") as listeners, pytest.raises(ConfigurationError) as caught:
        listen(listeners.addresses[0].removeprefix("http://"), name="PORT")
    assert str(caught.value).startswith("PORT: ")


def test_hosts_that_cannot_be():
    assert "is not an address of this machine" in refused("192.0.2.1:0")
    assert "host 'no-such-host.invalid' is not known" in refused("no-such-host.invalid:80")


def test_localhost_listens_on_every_address_it_has():
    port = free_port()
    with listen(f"localhost:{port}") as listeners:
        assert f"http://127.0.0.1:{port}" in listeners.addresses
        assert len(listeners.fds) == len(listeners.addresses)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6():
    with listen("[::1]:0") as listeners:
        assert listeners.addresses[0].startswith("http://[::1]:")
    port = free_port()
    with listen(f"[::]:{port}"):  # IPv4 too
        socket.create_connection(("127.0.0.1", port)).close()
    port = free_port()
    with listen(f"[::]:{port}", f"0.0.0.0:{port}") as listeners:
        assert len(listeners.fds) == 2


def test_unix_socket_lives_as_long_as_its_listeners(tmp_path):
    path = tmp_path / "site.sock"
    with listen(f"unix:{path}") as listeners:
        assert listeners.addresses == [f"unix:{path}"]
        assert stat.S_IMODE(path.stat().st_mode) == UNIX_MODE
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    assert not path.exists()


def test_unix_paths_are_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with listen("unix:a.sock") as listeners:
        assert listeners.addresses == [f"unix:{tmp_path}/a.sock"]


def test_a_stale_unix_socket_is_replaced_and_a_live_one_is_not(tmp_path):
    path = tmp_path / "site.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listen(f"unix:{path}"):
        assert "is already in use by another program" in refused(f"unix:{path}")
        assert path.exists()
    assert not path.exists()


def test_a_full_unix_socket_counts_as_live(tmp_path):
    path = tmp_path / "site.sock"
    clients = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(0)
        for _ in range(2):
            clients.append(socket.socket(socket.AF_UNIX))
            clients[-1].setblocking(False)
            clients[-1].connect_ex(str(path))
        assert "is already in use" in refused(f"unix:{path}")
        assert path.exists()
    for client in clients:
        client.close()


def test_a_socket_file_that_is_no_longer_ours_is_left_alone(tmp_path):
    path = tmp_path / "site.sock"
    with listen(f"unix:{path}"):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
    assert path.exists()


def test_unix_paths_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "is not a socket; choose another path" in refused(f"unix:{tmp_path}/file")
    assert (tmp_path / "file").read_text() == "mine"
    assert f"there is no directory {tmp_path}/no" in refused(f"unix:{tmp_path}/no/a.sock")
    assert f"{tmp_path}/file is not a directory" in refused(f"unix:{tmp_path}/file/a.sock")
    assert "is longer than 107 bytes" in refused(f"unix:{tmp_path}/{'a' * 108}")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody with no rights")
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_folder_we_may_not_use(tmp_path, mode):
    folder = tmp_path / "folder"
    folder.mkdir(mode=mode)
    folder.chmod(mode)
    for parent in (tmp_path, *tmp_path.parents):
        if stat.S_IMODE(parent.stat().st_mode) & 0o005 != 0o005:
            parent.chmod(stat.S_IMODE(parent.stat().st_mode) | 0o005)
    result = subprocess.run(
        [sys.executable, "-c",
         "import sys\nfrom corral.sockets import *\nfrom corral.values import Addresses\n"
         "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
         "try: Listeners([Addresses().parse(sys.argv[1])], 1)\n"
         "except ConfigurationError as error: print(error)",
         f"unix:{folder}/a.sock"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.stderr == ""
    assert f"may not use {folder} or what is there; change its permissions" in result.stdout


def test_inherited_descriptors():
    with socket.create_server(("127.0.0.1", 0)) as server:
        fd = os.dup(server.fileno())
        with listen(f"fd://{fd}") as listeners:
            assert listeners.fds == [fd]
            assert listeners.addresses == [f"http://127.0.0.1:{server.getsockname()[1]}"]


def test_descriptors_that_cannot_be(tmp_path):
    assert "fd://900 is not open" in refused("fd://900")
    with open(tmp_path / "file", "w") as file:
        assert "is open but is no socket" in refused(f"fd://{file.fileno()}")
    with socket.socket() as idle:
        assert "does not listen" in refused(f"fd://{idle.fileno()}")
        idle.getsockname()  # still open: it was not ours to close
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        assert "is not a stream socket" in refused(f"fd://{datagrams.fileno()}")
