"""Tells a person, by a JSON POST to a URL, what a keeper cannot mend alone. The keeper never waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from queue import Full, Queue
from threading import Thread
from typing import Any

import requests

from bulkhead.keeper.follower import Header
from bulkhead.keeper.policy import State

#: Alerts that wait to be delivered; what comes on top is dropped, and said so in the log.
MOST_WAITING = 100
#: Times that a delivery is tried, and seconds that one may take.
TRIES, TIMEOUT = 3, 5.0
#: Vaults named in one alert.
NAMED = 20


class Alert(StrEnum):
    """What may be wrong."""

    TROUBLE = "trouble"
    OVER_BUDGET = "over budget"
    FAILING = "failing transaction"
    NO_PRICE = "no price"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True)
class When:
    """What is worth a person's time.

    cool_down   seconds of this machine's clock in which one kind of alert is sent once
    trouble     seconds of it for which the chain could not be looked at
    unpriced    seconds of the chain's clock without a valid price
    blocks      for which a position that can be liquidated is still there, more than
    """

    cool_down: float = 900
    trouble: float = 60
    unpriced: int = 600
    blocks: int = 3


class Alerts:
    """Watches a keeper of `source` (names for the reader of an alert: market, keeper), posts from a thread of its own.

    log     hears of alerts and of what could not be delivered
    clock   seconds that only go forward
    """

    def __init__(
        self,
        url: str,
        source: dict[str, str],
        log: Callable[[str, dict[str, Any]], None],
        when: When | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._source, self._log, self._when, self._clock = url, source, log, when or When(), clock
        self._sent: dict[Alert, float] = {}
        self._troubled: float | None = None
        #: The block at which each position that can be liquidated was seen first.
        self._sick: dict[str, int] = {}
        self._waiting: Queue[dict[str, Any] | None] = Queue(MOST_WAITING)
        self._thread = Thread(target=self._deliver, name="alerts", daemon=True)
        self._thread.start()

    # ---------------------------------------------------------------- watching

    def on_event(self, event: str, facts: dict[str, Any]) -> None:
        """Judges an event of the log."""
        if event == "trouble":
            self._troubled = self._clock() if self._troubled is None else self._troubled
            lasts = self._clock() - self._troubled
            if lasts >= self._when.trouble:
                self._raise(Alert.TROUBLE, f"The chain cannot be looked at for {lasts:.0f} s: {facts['why']}", {})
        elif event == "over budget":
            self._raise(Alert.OVER_BUDGET, str(facts["why"]), {"job": facts["job"]})
        elif event == "not sent":
            self._raise(Alert.FAILING, f"The node has refused a transaction: {facts['why']}", {"job": facts["job"]})
        elif event == "mined" and not facts["done"]:
            why = f"A transaction that passed when tried out did nothing, for {facts['wei']} wei."
            self._raise(Alert.FAILING, why, {"job": facts["job"], "targets": list(facts["missed"])[:NAMED]})

    def on_state(self, head: Header, state: State) -> None:
        """Judges a look."""
        self._troubled = None
        lasts = head.time - state.unpriced_since
        if state.price is None and not state.ended and lasts >= self._when.unpriced:
            self._raise(Alert.NO_PRICE, f"There is no valid price for {lasts} s.", {"block": head.number})
        self._sick = {held.vault: self._sick.get(held.vault, head.number) for held in state.liquidatable}
        late = [vault for vault, since in self._sick.items() if head.number - since > self._when.blocks]
        if late:
            why = f"{len(late)} positions can be liquidated for more than {self._when.blocks} blocks."
            self._raise(Alert.UNHEALTHY, why, {"block": head.number, "positions": late[:NAMED]})

    # ---------------------------------------------------------------- telling

    def _raise(self, alert: Alert, why: str, facts: dict[str, Any]) -> None:
        now = self._clock()
        if alert in self._sent and now - self._sent[alert] < self._when.cool_down:
            return
        self._sent[alert] = now
        message = {"alert": str(alert), "why": why, **facts}
        self._log("alert", message)
        try:
            self._waiting.put_nowait(self._source | {"time": int(time.time())} | message)
        except Full:
            self._log("alert not delivered", {"alert": str(alert), "why": "too many wait"})

    def _deliver(self) -> None:
        while (message := self._waiting.get()) is not None:
            for attempt in range(TRIES):
                try:
                    requests.post(self._url, json=message, timeout=TIMEOUT).raise_for_status()
                    break
                except requests.RequestException as error:
                    why = type(error).__name__  # never the URL, which may hold a secret
                    if attempt + 1 < TRIES:
                        time.sleep(attempt + 1)
            else:
                self._log("alert not delivered", {"alert": message["alert"], "why": why})

    def close(self, timeout: float = TRIES * TIMEOUT) -> None:
        """Delivers what waits, for so many seconds at most."""
        try:
            self._waiting.put_nowait(None)
        except Full:
            return
        self._thread.join(timeout)
