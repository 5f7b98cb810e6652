"""A provider for many requests to a node nearby: one connection that is kept. web3's own costs as much as the node."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit


class Wire:
    """Connects when it is asked; again after a failure. Raises ConnectionError."""

    def __init__(self, url: str) -> None:
        self.endpoint_uri = url
        self._open: HTTPConnection | None = None

    def make_request(self, method: str, params: list[Any]) -> Any:
        if self._open is None:
            place = urlsplit(self.endpoint_uri)
            self._open = HTTPConnection(str(place.hostname), place.port, timeout=60)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            self._open.request("POST", "/", body, {"Content-Type": "application/json"})
            return json.loads(self._open.getresponse().read())
        except (OSError, HTTPException):
            self.close()
            raise ConnectionError from None

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
