"""A site for the HTTP tests: each path is one small application, the query is its argument."""

import hashlib
import os
import socket
import time

TEXT = ("Content-Type", "text/plain")


def stand_at_gate(what):
    """Waits until the test says go."""
    with socket.create_connection(("127.0.0.1", int(os.environ["GATE_PORT"]))) as gate:
        gate.sendall(f"{what}\n".encode())
        gate.recv(1)


def hello(environ):
    return [b"hello"]


def hold(environ):
    stand_at_gate(environ["QUERY_STRING"])
    return [b"let go"]


def work(environ):
    """Takes so many milliseconds."""
    time.sleep(int(environ["QUERY_STRING"]) / 1000)
    return [b"done"]


def echo(environ):
    return [environ["wsgi.input"].read()]


def target(environ):
    return [environ["REQUEST_URI"].encode()]


def digest(environ):
    body = environ["wsgi.input"].read()
    return [f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()]


def size(environ):
    """So many bytes, of which each tells where it is."""
    return [pattern(int(environ["QUERY_STRING"]))]


def stream(environ):
    """The same, in parts that go out one by one."""
    left = int(environ["QUERY_STRING"])
    while left > 0:
        yield pattern(min(left, 65_536))
        left -= 65_536


def pattern(count):
    period = bytes(range(251))
    return period * (count // 251) + period[: count % 251]


def held_stream(environ):
    """Begins, stands at the gate, goes on."""
    yield b"begun "
    stand_at_gate(environ["QUERY_STRING"])
    yield b"x" * 1_000_000


def burst_then_hold(environ):
    """More than a socket takes, all at once; then it takes its time."""
    size, what = environ["QUERY_STRING"].split(",")
    yield pattern(int(size))
    stand_at_gate(what)
    yield b"end"


class Endless:
    """Produces until it is closed, then stands at the gate."""

    def __init__(self, what):
        self.what = what

    def __iter__(self):
        return self

    def __next__(self):
        return b"x" * 65_536

    def close(self):
        stand_at_gate(self.what)


def endless(environ):
    return Endless(environ["QUERY_STRING"])


def addresses(environ):
    names = ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT")
    return [" ".join(environ[name] or "-" for name in names).encode()]


def flags(environ):
    return [f"{environ['wsgi.multithread']} {environ['wsgi.multiprocess']}".encode()]


def own_server(environ):
    """Sets the headers that are otherwise the server's."""
    return [b"mine"]


def request_id(environ):
    return [environ["HTTP_X_REQUEST_ID"].encode()]


def own_id(environ):
    """Sets the header that is otherwise the server's."""
    return [environ["HTTP_X_REQUEST_ID"].encode()]


def short(environ):
    """Less than is announced below."""
    return [b"short"]


def fails(environ):
    raise LookupError("of the site")


def fails_later(environ):
    yield b"begun"
    raise LookupError("of the site")


PATHS = {
    "/hello": hello, "/hold": hold, "/work": work, "/echo": echo, "/target": target,
    "/digest": digest, "/size": size, "/stream": stream, "/held-stream": held_stream,
    "/burst-then-hold": burst_then_hold, "/endless": endless,
    "/addresses": addresses, "/flags": flags, "/own-server": own_server,
    "/request-id": request_id, "/own-id": own_id, "/short": short,
    "/fails": fails, "/fails-later": fails_later,
}  # fmt: skip


OWN = {
    own_server: [("Server", "mine"), ("Date", "Sun, 06 Nov 1994 08:49:37 GMT")],
    own_id: [("x-request-ID", "mine")],
    short: [("Content-Length", "10")],
}


def application(environ, start_response):
    found = PATHS.get(environ["PATH_INFO"])
    if found is None:
        start_response("404 Not Found", [TEXT])
        return [b"not here"]
    body = found(environ)
    start_response("200 OK", [TEXT, *OWN.get(found, [])])
    return body
