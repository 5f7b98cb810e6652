"""What attacks share: a refusal, the end of a market, an attacker with a contract, and the audit afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest

from bulkhead.chain import Contract, Revert
from bulkhead.protocol import MarketContracts
from tests.book import LOT, carry_at, series_of, side_of
from tests.unit.exits.expect import equity_down, unit_of
from tests.world import HEARTBEAT, World


def refused(call: Callable[..., Any], *args: object, **named: object) -> tuple[str, tuple[object, ...]]:
    """Name and values of the error that a call ends with."""
    with pytest.raises(Revert) as caught:
        call(*args, **named)
    return caught.value.name, tuple(caught.value.values)


def end_of_market(world: World) -> None:
    """Two days of silence, seen at their beginning and at their end."""
    world.wait(HEARTBEAT + 1)
    world.oracle.send.checkOutage()
    world.wait(86_401)
    world.oracle.send.checkOutage()
    assert world.oracle.call.finalPrice()[0]


def fill_with_margin(world: World, position: str, sender: str) -> None:
    """Adds as much margin as a side takes, up to the last unit that it takes."""
    world.token.send.mint(sender, 2**88)
    for bits in range(88, 0, -1):
        with suppress(Revert):
            world.perpetual.market.send.addMargin(position, 2 ** (bits - 1), sender=sender)
    assert refused(world.perpetual.market.send.addMargin, position, 256, sender=sender) == ("SideFull", ())


class Attacker:
    """A contract with tokens that trades, provides liquidity, and does several things in one transaction."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.contract = world.deployment.deploy("AttackerMock")
        self.address = self.contract.address
        world.token.send.mint(self.address, 10**9 * world.unit)
        spenders = [part.address for market in (world.perpetual, world.dated) for part in (market.market, market.pool)]
        self.run(*((world.token, world.token.encode.approve(spender, 2**256 - 1)) for spender in spenders))

    def run(self, *calls: tuple[Contract, bytes]) -> Any:
        """All of these, in one transaction; the first refusal ends it."""
        return self.contract.send.run([(target.address, data) for target, data in calls])


def audit(world: World, market: MarketContracts, positions: Iterable[str]) -> None:
    """Every sum is recomputed from the positions, for a market in which nothing was ever donated and no payment to an
    owner of shares refused: SAFE-1, SAFE-2, and POOL-1 at the last trade's. One series, the first."""
    unit, now = unit_of(world), world.chain.timestamp
    carry, book = carry_at(market, now), series_of(market)
    open_, buys, sells, earmarked, owed = [], 0, 0, 0, 0
    for position in positions:
        p, order = market.market.call.positionOf(position), market.market.call.orderOf(position)
        claims = market.market.call.claimable(position)
        owed += claims.pool_
        pending = p.status == 1
        assert world.balance(position) == p.margin + (0 if pending else p.reserve) + sum(claims), "SAFE-1"
        change = {0: 0, 1: p.size, 2: order.amount * LOT * (-1 if p.size > 0 else 1), 3: 0}[order.kind]
        buys, sells = buys + max(change, 0), sells + max(-change, 0)
        earmarked += order.amount if order.kind in (1, 3) else 0
        if p.status == 2:
            open_.append(p)
    for side, sign in ((book.long, 1), (book.short, -1)):
        assert side == side_of(open_, sign, unit)
    assert (book.buys, book.sells) == (buys, sells)
    committed, idle = market.pool.call.liquidity()
    assert committed == sum(p.reserve for p in open_) + earmarked, "SAFE-5"
    assert world.balance(market.pool.address) == idle + earmarked, "SAFE-2"
    if not open_:
        return
    index = market.pool.call.lastIndex()
    clamped = all(-p.margin <= equity_down(p, carry, index, unit) - p.margin <= p.reserve for p in open_)
    if clamped:
        gains = sum(equity_down(p, carry, index, unit) - p.margin for p in open_)
        value = committed + idle + owed - gains
        assert abs(market.pool.call.worth(index, now) - value) <= 3 * len(open_) + 3, "POOL-1"
