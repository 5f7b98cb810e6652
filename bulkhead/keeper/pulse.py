"""Is a keeper alive? On one port: /healthz for who restarts it, /metrics for Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from bulkhead.keeper.follower import Header
from bulkhead.keeper.policy import State

#: Seconds of this machine's clock within which a look must come; the first one reads a market's whole history.
FRESH, FIRST = 60.0, 1_800.0
#: Seconds within which the chain must have a new block.
MOVING = 180.0


class Pulse:
    """A keeper is healthy while it looks, and while what it looks at moves.

    clock   seconds that only go forward
    """

    def __init__(
        self, fresh: float = FRESH, moving: float = MOVING, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fresh, self._moving, self._clock = fresh, moving, clock
        self._looked = self._moved = clock()
        self._head = -1
        self._trouble = ""

    def on_event(self, event: str, facts: dict[str, Any]) -> None:
        """Remembers why there was no look."""
        if event == "trouble":
            self._trouble = str(facts["why"])

    def on_state(self, head: Header, state: State) -> None:
        """It has looked."""
        self._looked, self._trouble = self._clock(), ""
        if head.number != self._head:
            self._head, self._moved = head.number, self._looked

    def verdict(self) -> tuple[bool, str]:
        """Is it healthy, and what is to be said of it."""
        now = self._clock()
        if now - self._looked > (FIRST if self._head < 0 else self._fresh):
            since = f"no look at the chain for {now - self._looked:.0f} s"
            return False, f"{since}: {self._trouble}" if self._trouble else since
        if now - self._moved > self._moving:
            return False, f"no new block after {self._head} for {now - self._moved:.0f} s"
        return True, f"block {self._head}" if self._head >= 0 else "starting"


class PulseServer:
    """Serves both in a thread of its own, from its creation on; port 0 takes a free one. Raises OSError."""

    def __init__(self, pulse: Pulse, registry: CollectorRegistry, port: int, host: str = "127.0.0.1") -> None:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path == "/healthz":
                    healthy, why = pulse.verdict()
                    body = json.dumps({"healthy": healthy, "why": why}).encode()
                    self._answer(200 if healthy else 503, "application/json", body)
                else:
                    self._answer(404, "text/plain", b"/metrics and /healthz are here\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """The log is the keeper's."""

        self._server = ThreadingHTTPServer((host, port), Answer)
        self.port = int(self._server.server_address[1])
        Thread(target=self._server.serve_forever, name="endpoint", daemon=True).start()

    def close(self) -> None:
        """Serves no more."""
        self._server.shutdown()
        self._server.server_close()
