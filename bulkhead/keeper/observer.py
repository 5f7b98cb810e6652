"""What observes a keeper: metrics, health, alerts, the journal. None of them may hold it up."""

from __future__ import annotations

from typing import Any, Protocol

from bulkhead.keeper.follower import Header
from bulkhead.keeper.policy import State


class Observer(Protocol):
    """Called from the keeper's own thread: nothing here may wait or raise."""

    def on_event(self, event: str, facts: dict[str, Any]) -> None:
        """An event of the log, as it happens."""

    def on_state(self, head: Header, state: State) -> None:
        """What the policy is about to decide by, at every look."""
