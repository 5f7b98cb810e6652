"""Row 37: traders who know a calendar, a spike or the truth, against a pool that quotes options by formula."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache

import numpy as np
import pytest

from bulkhead import Protocol
from bulkhead.chain import RevmChain
from bulkhead.protocol import OptionTerms
from bulkhead.protocol.units import to_decimal
from bulkhead.risk.options.histories import DAY, draw
from bulkhead.risk.options.informed import Positions, harvest
from bulkhead.risk.options.quotes import Rule, quotes
from bulkhead.risk.options.study import BAND, BANDS, WARMUP, Earned, earned

#: Small enough for a test, large enough that a loss and a gain are told apart.
HISTORIES, YEARS, TENOR = 12, 3, 7


@cache
def played(rule: Rule) -> list[Earned]:
    """What every strategy on a listed kind earns from a pool with this rule; the same histories for each."""
    drawn = draw(HISTORIES, YEARS * 365 * DAY, seed=37)
    pool = quotes(drawn, rule, WARMUP)
    positions = Positions(drawn, quotes(drawn, Rule(), WARMUP).slow, TENOR * DAY, WARMUP)
    rows = earned(harvest(positions, pool), TENOR, rule.spread, len(positions.at))
    return [row for row in rows if row.strategy.kind in BANDS[BAND]]


def paying(rule: Rule) -> list[Earned]:
    """Strategies of who does not know the truth that earn, by two standard errors."""
    return [row for row in played(rule) if row.positive and not row.strategy.knows]


def test_at_the_spread_that_ships_no_calendar_and_no_spike_earns() -> None:
    """Sellers after a spike, buyers in calm, at any time, hedged and not, to expiry and half-way."""
    rows = [row for row in played(Rule()) if not row.strategy.knows]
    assert {row.strategy.side for row in rows} == {"buy", "sell"}
    assert {row.strategy.exit for row in rows} == {"expiry", "half"}
    assert {"always", "below 60 %", "after a spike", "in a spike", "above 100 %"} <= {
        row.strategy.signal for row in rows
    }
    assert [str(row.strategy) for row in rows if row.hedged > 0] == []
    assert [str(row.strategy) for row in rows if row.unhedged > 2 * row.unhedged_error] == []
    assert min(row.orders for row in rows) > 30


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_one_volatility_both_ways_pays_both_sides(side: str) -> None:
    """The fault that the two volatilities and the spread are there against: the tests above would see it."""
    rows = [row for row in paying(Rule(spread=0.0, naive=True)) if row.strategy.side == side]
    assert {row.tenor for row in rows} == {TENOR}
    assert max(row.hedged for row in rows) > 100  # basis points of the spot
    signals = {row.strategy.signal for row in rows}
    assert ("below 60 %" if side == "buy" else "in a spike") in signals


@pytest.mark.parametrize(
    ("rule", "signal"),
    [
        (Rule(spread=0.0), "below 60 %"),  # two volatilities, no spread
        (replace(Rule(), naive=True), "in a spike"),  # a spread, one volatility
    ],
)
def test_neither_the_spread_nor_the_two_volatilities_are_enough_alone(rule: Rule, signal: str) -> None:
    assert signal in {row.strategy.signal for row in paying(rule)}


@pytest.mark.parametrize("late", [1, 2])
def test_a_move_that_the_volatilities_do_not_know_yet_does_not_pay(late: int) -> None:
    """Fills follow the last point of the feed, which may be two hours old."""
    rows = [row for row in played(replace(Rule(), late=late)) if row.strategy.signal == "in a move"]
    assert rows and max(row.hedged for row in rows) < 0


def test_who_knows_the_truth_trades_seldom_and_a_wider_spread_more_seldom_still() -> None:
    """He earns whenever he trades: nobody knows that much. The spread decides how often."""
    shares = []
    for spread in (0.1, 0.25, Rule().spread):
        rows = [row for row in played(replace(Rule(), spread=spread)) if row.strategy.signal == "truth + 15 %"]
        shares.append(
            sum(row.share for row in rows if (row.strategy.kind, row.strategy.exit) == ("straddle", "expiry"))
        )
        assert all(row.hedged > 0 for row in rows if row.strategy.kind == "straddle" and row.strategy.exit == "expiry")
    assert shares[0] > 5 * shares[1] / 2 and shares[1] > 5 * shares[2] and shares[2] < 0.005


def test_hedging_changes_the_noise_and_not_the_mean() -> None:
    """The index is a fair game: both means agree within their errors."""
    rows = [row for row in played(Rule()) if row.strategy.signal == "always" and row.strategy.exit == "expiry"]
    for row in rows:
        assert abs(row.hedged - row.unhedged) < 4 * np.hypot(row.hedged_error, row.unhedged_error)
    assert np.median([row.hedged_error / row.unhedged_error for row in rows]) < 0.7


# ---------------------------------------------------------------- the contract quotes what was studied


def test_what_ships_is_what_the_study_asks_for() -> None:
    terms, rule = OptionTerms(), Rule()
    assert float(terms.spread) == rule.spread
    assert (terms.feed.fast_time, terms.feed.slow_time) == (rule.fast * 3_600, rule.slow * 3_600)
    assert float(terms.feed.max_return) == rule.largest
    assert float(terms.smallest_delta) * 100 == float(BAND.removesuffix(" %"))
    assert terms.longest_tenor == 30 * 86_400


@pytest.mark.parametrize("spike", [True, False])
def test_the_contract_sells_at_the_larger_volatility_and_buys_at_the_smaller(spike: bool) -> None:
    """In a spike fast is the larger, in calm slow is: one of them both ways would pay who sells, or who buys."""
    protocol = Protocol.local(RevmChain(timestamp=1_799_323_200), options=OptionTerms())
    market, hour = protocol.options(), 3_600
    protocol.run(protocol.chain.timestamp + 3 * hour)
    for price in (1_700, 2_000) * 3 if spike else ():
        protocol.set_price(price)
        protocol.run((protocol.chain.timestamp // hour + 1) * hour + 120)
    protocol.run(protocol.chain.timestamp + (2 if spike else 24) * hour)
    fast, slow = market.volatility.fast, market.volatility.slow
    assert (fast > slow * Decimal("1.2")) if spike else (slow > fast * Decimal("1.2"))
    bid, mark, ask = (to_decimal(value, 18) for value in market.instrument.call.volatilities(0))
    x = OptionTerms().spread
    assert ask == pytest.approx(max(fast, slow) * (1 + x), rel=Decimal("1e-15"))
    assert bid == pytest.approx(min(fast, slow) * (1 - x), rel=Decimal("1e-15"))
    assert bid < mark < ask
