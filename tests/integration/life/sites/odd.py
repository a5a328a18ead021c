"""A site that does at import what sites should not do, and some do."""

import os
import signal
import sys
import threading
import time
import warnings

print('"said on standard output"')
print("said on standard error", file=sys.stderr)
warnings.warn("mind the gap", stacklevel=1)

for is_daemon in (True, False):
    threading.Thread(target=time.sleep, args=(0.01,), daemon=is_daemon).start()
threading.Thread(target=threading.Event().wait, daemon=True).start()

signal.signal(signal.SIGTERM, lambda *_: os._exit(9))
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)

os.chdir(os.environ["ODD_FOLDER"])


def application(environ, start_response):
    body = os.getcwd().encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
