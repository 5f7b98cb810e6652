"""A market of options through the front door: series, quotes before the trade, orders of legs, upkeep."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest

from bulkhead import Protocol
from bulkhead.chain import RevmChain
from bulkhead.protocol import OptionLeg, OptionTerms
from bulkhead.protocol.errors import AlreadyFixed, SeriesInvalid, StrikeOutOfBand, VolatilityBehind
from bulkhead.protocol.events import Opened
from bulkhead.protocol.local import LocalProtocol
from bulkhead.protocol.option_market import OptionMarket
from bulkhead.protocol.options import OPTION_MARKET

HOUR = 3_600
#: Thursday, 7 January 2027, 12:00 UTC.
START = 1_799_323_200
Parts = tuple[LocalProtocol, OptionMarket, str, str]


@pytest.fixture(scope="module")
def built() -> Parts:
    protocol = Protocol.local(RevmChain(timestamp=START), options=OptionTerms())
    protocol.run(protocol.chain.timestamp + HOUR)
    return protocol, protocol.options(), protocol.account("trader", 100_000), protocol.account("keeper")


@pytest.fixture
def parts(built: Parts) -> Iterator[Parts]:
    chain = built[0].chain
    time, snapshot = chain.timestamp, chain.snapshot()
    yield built
    chain.revert(snapshot)
    chain.set_time(time)


def test_expiries_are_fridays_and_the_last_ones_of_months(parts: Parts) -> None:
    protocol, market, _, _ = parts
    dates = [datetime.fromtimestamp(at, UTC) for at in market.expiries()]
    assert [(date.month, date.day, date.hour) for date in dates] == [(1, 8, 8), (1, 15, 8), (1, 29, 8)]
    assert all(date.weekday() == 4 for date in dates)
    protocol.run(market.expiries()[0] - 30 * 60 - 60)
    assert market.expiries()[0] == int(dates[0].timestamp())
    protocol.run(market.expiries()[0] - 30 * 60)  # the window: nothing trades any more
    assert market.expiries()[0] == int(dates[1].timestamp())


def test_listed_series_are_near_the_money_with_fills_around_the_mark(parts: Parts) -> None:
    _, market, _, _ = parts
    expiry = market.expiries()[1]
    listed = market.listed(expiry)
    assert [one.series.kind for one in listed] == ["call", "put"] * (len(listed) // 2) and len(listed) >= 6
    for one in listed:
        assert one.bid < one.mark < one.ask and one.series.expiry == expiry
        assert Decimal("0.1") <= abs(one.greeks.delta) <= Decimal("0.9")
        assert market.series_of(one.series.number) == one.series
    strikes = sorted({one.series.strike for one in listed})
    assert strikes[0] < 2_000 < strikes[-1] and len({b - a for a, b in pairwise(strikes)}) == 1


def test_series_off_the_grid_or_far_from_the_money_are_refused(parts: Parts) -> None:
    _, market, _, _ = parts
    expiry = market.expiries()[1]
    for strike, when in ((2_010, expiry), (2_000, expiry + 1)):
        with pytest.raises(SeriesInvalid):
            market.series("call", strike, when)
    far = market.series("put", 1_000, expiry)
    assert market.look(far) is None
    with pytest.raises(StrikeOutOfBand):
        market.trade([OptionLeg(far, -5, margin=1_000, reserve=200)])


def test_a_quote_says_what_the_trade_then_is(parts: Parts) -> None:
    protocol, market, trader, keeper = parts
    legs = market.strangle(-5, 1_900, 2_100, market.expiries()[1])
    quote = market.quote_legs(legs, trader=trader)
    assert quote.refusal is None
    before = market.token.balance(trader)
    positions = market.trade(legs, sender=trader)
    assert before - market.token.balance(trader) == quote.margin == quote.largest_loss
    protocol.set_price(2_000)
    for leg, position in zip(quote.legs, positions, strict=True):
        told = market.execute(position, sender=keeper)
        assert isinstance(told, Opened)
        assert told.entry == pytest.approx(leg.fill, rel=Decimal("0.002"))  # a minute later
        assert 0 <= told.margin - (Decimal(leg.leg.margin or 0) - leg.fees) < 20  # of the keeper's most
        low, high = position.healthy_range()
        assert low == pytest.approx(leg.lowest, rel=Decimal("0.005"))
        assert (high == leg.highest) if high.is_infinite() else high == pytest.approx(leg.highest, rel=Decimal("0.005"))
    assert quote.legs[0].highest.is_infinite() and quote.legs[1].lowest == 0
    looks = [market.look(leg.series) for leg in legs]
    gamma = sum(-5 * one.greeks.gamma for one in looks if one)
    assert quote.greeks.gamma == pytest.approx(gamma, rel=Decimal("0.001"))


def test_a_bought_leg_loses_its_fill_and_fees_at_most_and_is_never_liquidated(parts: Parts) -> None:
    _, market, trader, _ = parts
    leg = OptionLeg(market.series("call", 2_000, market.expiries()[1]), 5)
    (one,) = market.quote_legs([leg], trader=trader).legs
    settlement = OPTION_MARKET.keeper_floor + 5 * 2_000 * OPTION_MARKET.close_fee
    assert one.largest_loss == pytest.approx(5 * one.fill + one.fees + settlement, rel=Decimal("0.001"))
    assert one.largest_loss <= Decimal(one.leg.margin or 0)
    assert (one.lowest, one.highest) == (0, Decimal("Infinity"))


def test_all_legs_or_none(parts: Parts) -> None:
    """A margin too small for one leg refuses both, and the quote says so before."""
    _, market, trader, _ = parts
    put, call = market.straddle(-5, 2_000, market.expiries()[1])
    poor = OptionLeg(call.series, call.size, margin=150)
    quote = market.quote_legs([put, poor], trader=trader)
    assert quote.refusal is not None
    before = market.token.balance(trader)
    with pytest.raises(type(quote.refusal)):
        market.trade([put, poor], sender=trader)
    assert market.token.balance(trader) == before


def test_upkeep_keeps_the_fills_fresh_and_nobody_trades_on_old_volatilities(parts: Parts) -> None:
    protocol, market, trader, _ = parts
    for _ in range(4):  # rounds alone do not bring the feed up to date
        protocol.wait(HOUR)
        protocol.set_price(2_000)
    legs = market.straddle(-5, 2_000, market.expiries()[1], margin=3_000, reserve=700)
    with pytest.raises(VolatilityBehind):
        market.trade(legs, sender=trader)
    market.keep()
    assert len(market.trade(legs, sender=trader)) == 2


def test_the_settlement_price_is_proven_once(parts: Parts) -> None:
    protocol, market, _, keeper = parts
    expiry = market.expiries()[0]
    assert market.settlement_price(expiry) is None
    protocol.run(expiry - 10 * 60, keeper)
    assert market.fix(expiry, sender=keeper) is None, "the last samples have no price yet"
    protocol.run(expiry + 60, keeper)
    assert market.fix(expiry, sender=keeper) == market.settlement_price(expiry) == 2_000
    with pytest.raises(AlreadyFixed):
        market.fix(expiry, sender=keeper)


@pytest.mark.parametrize(
    ("kind", "price", "payoff"), [("call", 2_300, 300), ("call", 5_000, 2_000), ("put", 1_400, 600), ("put", 2_100, 0)]
)
def test_payoffs(parts: Parts, kind: str, price: int, payoff: int) -> None:
    _, market, _, _ = parts
    series = market.series("put" if kind == "put" else "call", 2_000, market.expiries()[1])
    assert series.payoff(price) == payoff and series.payoff(price) <= series.cap


def test_options_are_asked_for_by_name(parts: Parts) -> None:
    protocol, market, _, _ = parts
    assert protocol.options("ETH") is market is protocol.market("ETH options")
    with pytest.raises(LookupError, match="BTC options"):
        protocol.options("BTC")
    with pytest.raises(LookupError, match="none"):
        Protocol.local().options()
