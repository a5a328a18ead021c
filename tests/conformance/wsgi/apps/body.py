import hashlib
import json
import threading

from apps.track import TEXT, of


def digest(environ, start_response):
    """Reads in blocks to the end; says how much there was, and its SHA-256."""
    stream = environ["wsgi.input"]
    total, sha = 0, hashlib.sha256()
    while block := stream.read(8192):
        total += len(block)
        sha.update(block)
    start_response("200 OK", TEXT)
    return [f"{total} {environ.get('CONTENT_LENGTH', '')} {sha.hexdigest()}".encode()]


def calls(environ, start_response):
    """Makes the calls of the header X-Calls on wsgi.input, one after another."""
    stream = environ["wsgi.input"]
    results = []
    for name, *arguments in json.loads(environ["HTTP_X_CALLS"]):
        try:
            if name == "iterate":
                result = list(stream)
            elif name == "next":
                result = next(iter(stream))
            else:
                result = getattr(stream, name)(*arguments)
        except Exception as error:
            result = type(error).__name__.encode()
        assert type(result) in (bytes, list)
        is_list = isinstance(result, list)
        results.append(
            [line.decode("latin-1") for line in result] if is_list else result.decode("latin-1")
        )
    start_response("200 OK", TEXT)
    return [json.dumps(results).encode()]


def ignore(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"not read"]


_kept = {}


def keep(environ, start_response):
    """Reads the first half and keeps the stream."""
    stream = environ["wsgi.input"]
    first = stream.read(int(environ["CONTENT_LENGTH"]) // 2)
    _kept[environ["HTTP_X_TRACK"]] = stream
    start_response("200 OK", TEXT)
    return [first]


def read_kept(environ, start_response):
    """The second half, when the request that brought it is long over."""
    rest = _kept.pop(environ["HTTP_X_TRACK"]).read(1 << 30)
    start_response("200 OK", TEXT)
    return [rest]


def share(environ, start_response):
    """Two threads read from one stream; says how much they got together."""
    stream, sizes = environ["wsgi.input"], []

    def read():
        size = 0
        while block := stream.read(1000):
            size += len(block)
        sizes.append(size)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    start_response("200 OK", TEXT)
    return [str(sum(sizes)).encode()]


def noted(environ, start_response):
    """Leaves a note that it was called at all, and with how much."""
    body = environ["wsgi.input"].read(1 << 30)
    of(environ).note(f"called with {len(body)}")
    start_response("200 OK", TEXT)
    return [body]


def held(environ, start_response):
    """Has its body, and does not read it yet."""
    track = of(environ)
    track.note("called")
    track.wait_for_gate()
    return noted(environ, start_response)
