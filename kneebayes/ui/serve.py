"""The explorer from a shell: a page of its own, served to this machine alone."""

from __future__ import annotations

import json
import secrets
import threading
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from kneebayes.templates import read

if TYPE_CHECKING:
    from kneebayes.ui.explorer import Explorer

HOST = "127.0.0.1"
KINDS = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript", "start.js": "text/javascript"}
MAX_BYTES = 1 << 20  # of a message
# the page may load what comes from here, and nothing from elsewhere
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; frame-ancestors 'none'; form-action 'none'"
)


class ExplorerServer(ThreadingHTTPServer):
    """Serves one explorer at an address that only who is told it can guess; the case stays in memory."""

    def __init__(self, explorer: Explorer, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.explorer = explorer
        self.key = secrets.token_urlsafe(16)
        self.lock = threading.Lock()  # answers are taken one after the other; what takes longer is worked out beside

    @cached_property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/{self.key}/"

    def say(self, message: dict[str, Any]) -> dict[str, Any]:
        """Take a message of the page, and say what it changes."""
        if self.explorer.takes_long(message):
            return self.explorer.hear(message)
        with self.lock:
            return self.explorer.hear(message)


class _Handler(BaseHTTPRequestHandler):
    server: ExplorerServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self._name()
        if name == "state":
            explorer = self.server.explorer
            self._answer({"form": explorer.form(), "view": explorer.view()})
        elif name in KINDS:
            self._send(read(f"explorer/{name}").encode(), KINDS[name])
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if self._name() != "say" or not 0 < length <= MAX_BYTES:
            self.close_connection = True
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self._answer(self.server.say(json.loads(self.rfile.read(length))))

    def _name(self) -> str | None:
        """Name what is asked for; None unless by the whole address: a page of elsewhere may name another host here."""
        _, key, *rest = self.path.split("/") if self.path.startswith("/") else ("", "")
        own = self.headers.get("Host") == f"{HOST}:{self.server.server_port}"
        if not own or not secrets.compare_digest(key.encode(), self.server.key.encode()) or len(rest) != 1:
            return None
        return rest[0] or "page.html"

    def _answer(self, content: dict[str, Any]) -> None:
        self._send(json.dumps(content).encode(), "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what is asked for is nobody's business."""
