"""What the log says beyond a keeper's own work: prices that go away and come back, trouble that is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bulkhead.keeper.follower import Header
from bulkhead.keeper.policy import State


class Journal:
    """Writes a line where something has changed, none while it lasts. `log` takes an event and its facts."""

    def __init__(self, log: Callable[[str, dict[str, Any]], None]) -> None:
        self._log = log
        self._troubles = 0
        self._priced: bool | None = None
        self._ended = False

    def on_event(self, event: str, facts: dict[str, Any]) -> None:
        """Counts trouble."""
        self._troubles += event == "trouble"

    def on_state(self, head: Header, state: State) -> None:
        """Compares with the look before."""
        if self._troubles:
            self._log("recovered", {"troubles": self._troubles, "block": head.number})
            self._troubles = 0
        priced = state.price is not None
        if self._priced is not None and priced != self._priced and not state.ended:
            since = {} if state.price is not None else {"since": state.unpriced_since}
            self._log("price again" if priced else "no price", {"block": head.number, **since})
        self._priced = priced
        if state.ended and not self._ended:
            self._log("market ended", {"block": head.number, "positions": len(state.settleable)})
        self._ended = state.ended
