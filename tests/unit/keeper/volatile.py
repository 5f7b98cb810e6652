"""A market whose margins follow volatility, as a keeper meets it."""

from __future__ import annotations

from decimal import Decimal

from bulkhead.chain import LocalChain
from bulkhead.protocol import Market, Oracle, VolatilityMarginRates, VolatilityTerms
from bulkhead.protocol.market import Origin
from tests.world import World

#: Margins that move a lot: from 2 to 20 % of notional, within hours.
STEEP = VolatilityMarginRates(
    horizon=86_400,
    initial_z=Decimal(4),
    target_z=Decimal(3),
    maintenance_z=Decimal(2),
    maintenance_floor=Decimal("0.02"),
    target_floor=Decimal("0.03"),
    initial_floor=Decimal("0.04"),
    maintenance_cap=Decimal("0.2"),
    target_cap=Decimal("0.3"),
    feed=VolatilityTerms(interval=600, ramp=Decimal(1), start=Decimal("0.3"), fast_time=3_600),
)


class VolatileWorld(World):
    """The world with one more market; `market` is it, `volatility` its feed."""

    def __init__(self, chain: LocalChain, rates: VolatilityMarginRates = STEEP) -> None:
        super().__init__(chain)
        self.volatile = self.deployment.perpetual_market(self.token, self.oracle, margin=rates, label="volatile")
        for account in (self.trader, self.other, self.provider):
            for spender in (self.volatile.market, self.volatile.pool):
                self.token.send.approve(spender.address, 2**256 - 1, sender=account)
        self.volatile.pool.send.deposit(1_000_000 * self.unit, self.provider, sender=self.provider)
        oracle = Oracle(chain, self.oracle.address, [self.feed.proxy.address])
        origin = Origin(self.deployment.factory.address, self.volatile.config)
        lens = self.deployment.deploy("Lens")
        self.market = Market(chain, self.volatile.market.address, oracle, None, lens.address, "ETH", origin)
