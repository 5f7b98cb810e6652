"""Who looks over a keeper's shoulder: metrics, health, alerts, the journal. None of them may hold it up."""

from __future__ import annotations

from typing import Any, Protocol

from bulkhead.keeper.follower import Header
from bulkhead.keeper.policy import State


class Watcher(Protocol):
    """Called from the keeper's own thread: nothing here may wait or raise."""

    def tell(self, event: str, facts: dict[str, Any]) -> None:
        """An event of the log, as it happens."""

    def look(self, head: Header, state: State) -> None:
        """What the policy is about to decide by, at every look."""
