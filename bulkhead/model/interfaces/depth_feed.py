"""Twin of IDepthFeed.sol."""

from __future__ import annotations

from typing import Protocol


class DepthFeed(Protocol):
    """How much an exchange can trade near its price."""

    def depth(self) -> int: ...
