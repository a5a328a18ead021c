import io
import json
import tempfile

from apps.track import TEXT


def content(size):
    period = bytes(range(251))
    return period * (size // 251) + period[: size % 251]


def _cut(whole, sizes):
    parts = []
    for size in sizes:
        parts.append(whole[:size])
        whole = whole[size:]
    return parts


def _file(data):
    file = tempfile.TemporaryFile()  # noqa: SIM115  the server closes it
    file.write(data)
    file.seek(0)
    return file


def response(environ, start_response):
    """What X-Response tells: a status, a length or none, sizes to write and sizes to return."""
    spec = json.loads(environ["HTTP_X_RESPONSE"])
    written, returned = spec["written"], spec["returned"]
    parts = _cut(content(sum(written) + sum(returned)), written + returned)
    headers = [] if spec["status"][:3] in ("204", "304") else [*TEXT]
    if spec["length"] is not None:
        headers.append(("Content-Length", str(spec["length"])))
    write = start_response(spec["status"], headers)
    for part in parts[: len(written)]:
        write(part)
    rest = parts[len(written) :]
    wrapper = environ["wsgi.file_wrapper"]
    match spec["kind"]:
        case "list":
            return rest
        case "tuple":
            return tuple(rest)
        case "generator":
            return (part for part in rest)
        case "file":
            return wrapper(_file(b"".join(rest)), 1000)
        case "file-like":
            return wrapper(io.BytesIO(b"".join(rest)), 1000)
