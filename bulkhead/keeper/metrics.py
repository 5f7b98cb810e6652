"""Figures of a keeper for Prometheus. Names and meanings: docs/keepers.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from bulkhead.keeper.follower import Header
from bulkhead.keeper.policy import State

if TYPE_CHECKING:
    from bulkhead.keeper.runner import Keeper

_PREFIX = "bulkhead_keeper_"


class Metrics:
    """A registry of its own, so that several keepers live in one process. Floats: for looking at, not for reckoning."""

    def __init__(self, keeper: Keeper) -> None:
        self.registry = CollectorRegistry()
        self._keeper, self._market = keeper, keeper.market.name or keeper.market.address
        self._unit = 10**keeper.market.token.decimals
        self._events = self._counter("events", "Lines of the log", "event", "job")
        self._done = self._counter(
            "targets_done", "Positions and requests that mined transactions have dealt with", "job"
        )
        self._missed = self._counter("targets_missed", "Those that mined transactions have done nothing to", "job")
        self._paid = self._counter("paid_tokens", "Fees earned, tokens of the market")
        self._spent = self._counter("spent_coins", "Paid for gas, native coins")
        self._head = self._gauge("head_number", "Newest block that was looked at")
        self._head_time = self._gauge("head_time_seconds", "Its time, unix seconds")
        self._index = self._gauge("price", "Newest valid price, tokens a unit of the underlying; 0 where there is none")
        self._index_time = self._gauge("price_time_seconds", "Its time, unix seconds; 0 where there is none")
        self._positions = self._gauge("open_positions", "Open positions")
        self._waiting = self._gauge("waiting_orders", "Orders not carried out yet")
        self._sick = self._gauge("liquidatable_positions", "Positions that can be liquidated now")
        self._flights = self._gauge("transactions_in_flight", "Sent and not known to be mined")
        self._committed = self._gauge("committed_coins", "Spent today and still at risk in flight, native coins")
        self._budget = self._gauge("budget_coins", "The most that a day may cost, native coins")
        self._ended = self._gauge("market_ended", "1 once the market has ended")
        self._budget.labels(self._market).set(keeper.settings.daily_budget / 10**18)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(_PREFIX + name, meaning, ("market", *labels), registry=self.registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(_PREFIX + name, meaning, ("market",), registry=self.registry)

    def on_event(self, event: str, facts: dict[str, Any]) -> None:
        """Counts."""
        job = str(facts.get("job", ""))
        self._events.labels(self._market, event, job).inc()
        if event in ("mined", "lost"):
            self._done.labels(self._market, job).inc(len(facts["done"]))
            self._missed.labels(self._market, job).inc(len(facts["missed"]))
            self._paid.labels(self._market).inc(facts["paid"] / self._unit)
            self._spent.labels(self._market).inc(facts["wei"] / 10**18)

    def on_state(self, head: Header, state: State) -> None:
        """Sets what is the case."""
        keeper, price = self._keeper, state.price
        for gauge, value in (
            (self._head, head.number),
            (self._head_time, head.time),
            (self._index, 0 if price is None else price.index / 10**18),
            (self._index_time, 0 if price is None else price.time),
            (self._positions, len(keeper.follower.index.table)),
            (self._waiting, len(state.waiting)),
            (self._sick, len(state.liquidatable)),
            (self._flights, len(keeper.ledger.flights())),
            (self._committed, keeper.ledger.committed(head.time) / 10**18),
            (self._ended, state.ended),
        ):
            gauge.labels(self._market).set(value)
