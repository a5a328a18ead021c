"""What a conformance test asks of a server."""

import uuid
from typing import Any

from harness import Client, Corral, Response


class Site:
    """A server for one test, with a track of its own."""

    def __init__(self, server: Corral, is_validated: bool) -> None:
        self.server = server
        self.is_validated = is_validated
        self._track = uuid.uuid4().hex

    def headers(self, app: str) -> dict[str, str]:
        """What a request must carry to reach this application."""
        return {"X-App": app, "X-Track": self._track}

    def connect(self) -> Client:
        return self.server.connect()

    def ask(self, client: Client, app: str, target: str = "/", **request: Any) -> Client:
        """Sends a request for `app` on this connection."""
        headers = self.headers(app) | request.pop("headers", {})
        return client.request(target, headers=headers, **request)

    def get(self, app: str, target: str = "/", **request: Any) -> Response:
        """One request on a connection of its own."""
        with self.connect() as client:
            return self.ask(client, app, target, **request).response(request.get("method", "GET"))

    def note(self) -> str:
        """The next note that the application leaves, or has left."""
        response = self.get("track.next_note")
        assert response.status == 200, response.text
        return response.text

    def open_gate(self) -> None:
        assert self.get("track.open_gate").status == 200

    def assert_refused(self, app: str, error: str = "", **request: Any) -> None:
        """The application raises or breaks the protocol: 500 for this request, and one record."""
        response = self.get(app, **request)
        assert (response.status, response.text) == (500, "Internal Server Error\n")
        self.server.expect_log("CORRAL-401", error)
