"""Views that stand at the gate of the test (harness/gate.py), and others that make stopping hard.

Environment: GATE_PORT, where the test listens; GATE_AT_IMPORT, a file: while it exists, importing
this module stands at the gate first.
"""

import os
import signal
import socket
import subprocess
import threading


def stand_at_gate(what):
    """Waits until the test says go; False when the test has gone instead."""
    with socket.create_connection(("127.0.0.1", int(os.environ["GATE_PORT"]))) as gate:
        gate.sendall(f"{what} {os.getpid()}\n".encode())
        try:
            return gate.recv(1) == b"!"
        except ConnectionResetError:
            return False


def hello(environ):
    return "hello"


def pid(environ):
    return str(os.getpid())


def hold(environ):
    return "let go" if stand_at_gate("hold") else "abandoned"


def upload(environ):
    return str(len(environ["wsgi.input"].read()))


def never(environ):
    stand_at_gate("never")
    while True:
        threading.Event().wait()


def stray(environ):
    """A thread that nobody ends, and that keeps an ordinary Python from ending."""
    threading.Thread(target=threading.Event().wait, name="stray").start()
    return "started"


def leave(environ):
    """Ends the whole process, past every `finally`."""
    os._exit(7)


def fault(environ):
    os.kill(os.getpid(), signal.SIGSEGV)


def terminate_child(environ):
    """How a program that hears signals ends after terminate(); it says itself when it is there."""
    with subprocess.Popen(["sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        child.terminate()
        return str(child.wait(20))


VIEWS = {
    "/": hello, "/pid": pid, "/hold": hold, "/upload": upload, "/never": never, "/stray": stray,
    "/leave": leave, "/fault": fault, "/terminate-child": terminate_child,
}  # fmt: skip


def application(environ, start_response):
    body = VIEWS[environ["PATH_INFO"]](environ).encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


if os.path.exists(os.environ.get("GATE_AT_IMPORT", "")):
    stand_at_gate("import")
