"""A volatility feed on a real oracle, and its twin, moved and compared together."""

from __future__ import annotations

from dataclasses import astuple
from decimal import Decimal
from typing import Any

from bulkhead.model.interfaces.volatility_feed import VolatilitySettings
from bulkhead.model.margin.volatility_feed import VolatilityFeed
from bulkhead.protocol.config import VolatilityMarginRates, camel
from tests.unit.oracles.oracle_world import E18, HEARTBEAT, World, answer_of

HOUR, DAY, YEAR = 3_600, 86_400, 365 * 86_400
#: A grid time.
START = 1_800_000_000
SETTINGS = {
    "interval": HOUR,
    "life": 6 * HOUR,
    "fast_time": DAY,
    "slow_time": 30 * DAY,
    "max_return": E18 // 4,
    "ramp": E18 // 5,
    "floor": E18 // 20,
    "start": E18 // 2,
}
#: Rates by hand: 6, 4.5 and 3 deviations, floors 4, 3 and 2 %, caps 50, 30 and 20 %.
STEEP = VolatilityMarginRates(
    initial_z=Decimal(6),
    target_z=Decimal("4.5"),
    maintenance_z=Decimal(3),
    initial_floor=Decimal("0.04"),
    target_floor=Decimal("0.03"),
    maintenance_floor=Decimal("0.02"),
    target_cap=Decimal("0.3"),
    maintenance_cap=Decimal("0.2"),
    impact=Decimal("0.1"),
    open_interest=Decimal("0.5"),
)
VIEWS = ("fast", "slow", "ramped", "highest", "observed", "due")


class VolatilityWorld(World):
    """One push feed, its oracle, and a volatility feed from half an hour before a grid time on."""

    def __init__(self, heartbeat: int = HEARTBEAT, jump_limit: int = E18 // 10, **settings: int) -> None:
        super().__init__(start=START - HOUR // 2 - 60)
        self.primary.push(2_000)
        self.wait(60)
        self.primary.push(2_000)
        primary = self.config(self.primary, heartbeat=heartbeat)
        self.build(primary=primary, maxAge=heartbeat + 60, jumpLimit=jump_limit, outageLimit=90 * DAY)
        self.settings_of_feed = {**SETTINGS, **settings}
        s = VolatilitySettings(**self.settings_of_feed)
        self.feed = self.chain.deploy(self.artifacts["VolatilityFeed"], self.encoded(s))
        self.twin = VolatilityFeed(self.model, s, self.block)
        self.same()

    def encoded(self, s: VolatilitySettings) -> dict[str, Any]:
        """The constructor's struct."""
        fields = {camel(name): value for name, value in vars(s).items()}
        return {"oracle": self.contract.address, **fields}

    def same(self) -> None:
        """Everything that is remembered and told is equal, to the unit."""
        assert tuple(self.feed.call.state()) == astuple(self.twin.state())
        for name in VIEWS:
            told = answer_of(getattr(self.feed.call, name))
            assert told == answer_of(getattr(self.twin, name)), name

    def told(self, name: str, *args: Any) -> Any:
        """What a call comes to, the same in both: () or its error."""
        chain = answer_of(lambda: getattr(self.feed.send, name)(*args) and ())
        twin = answer_of(lambda: getattr(self.twin, name)(*args) or ())
        assert chain == twin, (name, args, chain, twin)
        self.same()
        return chain

    def proof(self) -> bytes:
        """What proves the next point, if anything does."""
        return self.proof_after(*self.twin.due()[2:])

    def update(self) -> Any:
        """With the right proof."""
        return self.told("update", self.proof())

    def point(self, price: float, after: int = HOUR) -> None:
        """A round half an hour after the next grid time, and its update."""
        self.wait(after)
        self.primary.push(price)
        assert self.update() == ()


__all__ = ["DAY", "E18", "HEARTBEAT", "HOUR", "SETTINGS", "START", "YEAR", "VolatilityWorld"]
