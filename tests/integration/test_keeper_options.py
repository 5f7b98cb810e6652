"""A keeper of a market of options on a real node: nothing is done by hand but prices, and what traders do."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bulkhead import Protocol
from bulkhead.chain import AnvilChain, Revert
from bulkhead.chain.address import to_bytes
from bulkhead.keeper import Done, Job, Keeper
from bulkhead.keeper.frame import frame
from bulkhead.keeper.market_snapshot import SnapshotReader
from bulkhead.keeper.policy import TURN, Step
from bulkhead.keeper.runner import RETRY
from bulkhead.protocol import OptionLeg, OptionTerms, Position, Status
from bulkhead.protocol.local import LocalProtocol
from bulkhead.protocol.option_market import OptionMarket
from tests.integration.keeper_node import KEY, WORK, done

MINUTE, HOUR = 60, 3_600
#: Friday, 8 January 2027, 08:00 UTC.
EXPIRY = 1_799_395_200
#: The settlement window.
WINDOW = 1_800


class Options:
    """A market of options on an anvil of its own, and a keeper that does everything for it."""

    def __init__(self, chain: AnvilChain) -> None:
        self.chain, self.start = chain, chain.timestamp
        self.protocol: LocalProtocol = Protocol.local(chain, options=OptionTerms())
        self.market: OptionMarket = self.protocol.options()
        self.trader = self.protocol.account("trader", tokens=1_000_000)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.price = Decimal(2_000)
        self.expiry = self.market.expiries()[0]

    def keeper(self, **options: Any) -> Keeper:
        keeper = Keeper(self.market, KEY, WORK, log=lambda event, facts: self.told.append((event, facts)), **options)
        self.chain.set_balance(keeper.sender.address, 10**18)
        return keeper

    def round(self, time: int, keeper: Keeper | None = None) -> list[Done]:
        """One round of the feed at a time, and what the keeper makes of it."""
        self.chain.set_time(time)
        self.protocol.push_price(self.price)
        return [] if keeper is None else keeper.once()

    def move(self, price: int, keeper: Keeper) -> list[Done]:
        """To a price in steps that are believed, and what the keeper makes of the last."""
        self.price = Decimal(price)
        self.protocol.set_price(price)
        return keeper.once()

    def run(self, until: int, keeper: Keeper | None = None) -> list[Done]:
        """A round a minute after each hour, after each five minutes from an hour before the expiry on."""
        works = []
        while (now := self.chain.timestamp) < until:
            grid = HOUR if now < self.expiry - HOUR else 300
            works += self.round(min((now - MINUTE) // grid * grid + grid + MINUTE, until), keeper)
        return works

    def sell(self, size: int, keeper: Keeper, margins: tuple[int | None, int | None] = (None, None)) -> list[Position]:
        """A put and a call in one order, executed by the keeper."""
        legs = [
            OptionLeg(leg.series, leg.size, margin)
            for leg, margin in zip(self.market.straddle(size, 2_000, self.expiry), margins, strict=True)
        ]
        positions = self.market.trade(legs, sender=self.trader)
        work = self.round(self.chain.timestamp + MINUTE, keeper)
        assert done(work, Job.EXECUTE) == {position.address for position in positions}
        assert all(position.status is Status.OPEN for position in positions)
        return positions


@pytest.fixture
def days_before() -> Iterator[Options]:
    with AnvilChain(timestamp=EXPIRY - 34 * HOUR) as chain:
        yield Options(chain)


@pytest.fixture(scope="module")
def deployed() -> Iterator[Options]:
    with AnvilChain(timestamp=EXPIRY - 10 * HOUR) as chain:
        yield Options(chain)


@pytest.fixture
def options(deployed: Options) -> Iterator[Options]:
    deployed.told.clear()
    deployed.price = Decimal(2_000)
    with deployed.chain.isolated():
        yield deployed


def fixings(work: list[Done]) -> list[str]:
    return [target for one in work if one.intent.job is Job.FIX for target in one.done]


def test_a_straddle_from_its_sale_to_its_settlement(days_before: Options) -> None:
    options = days_before
    market, expiry, keeper = options.market, options.expiry, options.keeper()
    first = options.run(options.start + 2 * HOUR + MINUTE, keeper)
    assert TURN in done(first, Job.VOLATILITY) and fixings(first) == []
    put, call = options.sell(-10, keeper)

    works = options.move(1_600, keeper)  # too far for a partial one to mend it
    assert done(works, Job.LIQUIDATE) == {put.address} and put.status is Status.NONE
    assert call.status is Status.OPEN
    options.move(2_010, keeper)

    works = options.run(expiry + 2 * MINUTE, keeper)
    proven = [Step.PROVE.target(expiry, sample) for sample in range(6)]
    assert fixings(works) == [Step.BIND.target(expiry), *proven]
    assert market.settlement_price(expiry) == 2_010
    assert done(works, Job.SETTLE) == {call.address} and call.status is Status.NONE
    (settled,) = (one for one in works if one.intent.job is Job.SETTLE)
    assert settled.paid == market.need_origin().config["keeperFloor"]
    assert not [one for one in works if one.missed] and keeper.follower.known() == {}
    assert {"over budget", "trouble"}.isdisjoint(event for event, _ in options.told)


def test_a_disputed_sample_costs_nothing_and_five_are_enough(options: Options) -> None:
    market, expiry, keeper = options.market, options.expiry, options.keeper()
    options.run(options.start + 2 * HOUR + MINUTE, keeper)
    put, call = options.sell(-10, keeper)
    options.run(expiry - WINDOW + 6 * MINUTE, keeper)
    options.price = Decimal(1_500)  # a quarter at once: nobody believes it
    options.round(expiry - WINDOW + 11 * MINUTE, keeper)
    options.price = Decimal(2_000)
    for _ in range(2):
        options.round(options.chain.timestamp + MINUTE, keeper)
    works = options.run(expiry + 2 * MINUTE, keeper)
    told = market.fixing.call.samplesOf(expiry)
    assert [sample.proven for sample in told.samples] == [True, True, False, True, True, True]
    disputed = Step.PROVE.target(expiry, 2)
    assert disputed not in fixings(works) and "disputed" in str([f for e, f in options.told if e == "not now"][-1])
    assert not [facts for event, facts in options.told if event == "sent" and facts["targets"] == (disputed,)]

    options.chain.set_time(told.until)
    assert fixings(keeper.once()) == [] and market.settlement_price(expiry) is None
    works = options.round(told.until + RETRY, keeper)
    assert fixings(works) == [Step.RESOLVE.target(expiry)] and market.settlement_price(expiry) == 2_000
    assert done(works, Job.SETTLE) == {put.address, call.address}


def test_samples_that_nobody_proved_in_time_are_renewed(options: Options) -> None:
    """All keepers were away for the window and long after it; the next one begins with a first scan."""
    market, expiry, keeper = options.market, options.expiry, options.keeper()
    options.run(options.start + 2 * HOUR + MINUTE, keeper)
    put, call = options.sell(-10, keeper)
    options.run(expiry - WINDOW - HOUR, keeper)
    options.run(market.fixing.call.samplesOf(expiry).until + MINUTE)
    late = options.keeper()
    assert Step.RESOLVE.target(expiry) in fixings(late.once())
    samples = market.fixing.call.samplesOf(expiry).samples
    assert [sample.phase for sample in samples] == [1] * 6 and samples[0].time > options.chain.timestamp
    works = options.run(samples[-1].time + 2 * MINUTE, late)
    assert [target.split()[0] for target in fixings(works)] == ["prove"] * 6
    (settled,) = (one for one in works if one.intent.job is Job.SETTLE)
    assert set(settled.done) == {put.address, call.address}  # in one batch


def test_what_is_covered_is_never_looked_at(options: Options) -> None:
    """With the lens gone there is nobody to ask: a short that can lose no more than its margin needs nobody."""
    keeper = options.keeper()
    options.run(options.start + 2 * HOUR + MINUTE, keeper)
    covered = options.sell(-1, keeper, (2_100, 2_100))
    lens = options.market.need_lens().address
    code = options.chain.code(lens)
    options.chain.set_code(lens, bytes.fromhex("5f5ffd"))
    assert options.move(1_700, keeper) is not None
    options.chain.set_code(lens, code)
    options.move(2_000, keeper)
    at_risk = options.sell(-1, keeper)
    options.chain.set_code(lens, bytes.fromhex("5f5ffd"))
    with pytest.raises(Revert):
        options.move(1_900, keeper)
    options.chain.set_code(lens, code)
    works = options.move(1_600, keeper)
    assert done(works, Job.LIQUIDATE) == {at_risk[0].address}
    assert done(works, Job.CLOSE_AT_RESERVE) == {at_risk[1].address}  # its call is worth nothing any more
    assert {to_bytes(one.address) for one in covered} == set(keeper.follower.known())


def test_the_monitor_sees_options_also_while_they_stand_still(options: Options, tmp_path: Path) -> None:
    keeper = options.keeper()
    options.run(options.start + 2 * HOUR + MINUTE, keeper)
    put, call = options.sell(-10, keeper)
    options.move(1_900, keeper)
    reader = SnapshotReader(options.market, keeper.terms, 0, keeper.sender.address, tmp_path)
    snapshot = reader.read(10)
    assert [row.vault for row in snapshot.nearest] == [put.address, call.address]
    for row in snapshot.nearest:
        health = options.market.position(row.vault).health()
        assert (row.equity, row.maintenance) == (int(health.equity * 10**6), int(health.maintenance * 10**6))
        assert row.distance > 0
    assert (snapshot.open, snapshot.long, snapshot.short, snapshot.broken) == (2, 0, 20 * 10**18, [])
    options.move(2_000, keeper)
    options.run(options.expiry - WINDOW + 6 * MINUTE, keeper)
    snapshot = reader.read(10)
    assert (snapshot.open, snapshot.nearest, snapshot.broken, snapshot.refusal) == (2, [], [], None)
    console = Console(width=120, record=True, file=StringIO())
    console.print(frame(snapshot))
    assert "2 open positions" in console.export_text()
    assert options.keeper().once() == []  # a first scan, too
