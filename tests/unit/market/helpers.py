"""The arithmetic of a market, written a second time in integers, and the checks that every test shares.

Amounts are units of a token with 6 decimals; sizes, prices and rates have 18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest

from bulkhead.chain import Revert
from bulkhead.protocol import MarketContracts
from tests.book import kept_down, kept_up, live_series
from tests.world import MAX, NOW, ONE, PRICE, World

UNIT = 10**30
TOKEN = 10**6
YEAR = 365 * 86_400
DELAY, TIME_TO_LIVE = 12, 3_900
FEE = ONE // 2_000
FLOOR, CAP = 1 * TOKEN, 20 * TOKEN
MIN_MARGIN = 100 * TOKEN
MIN_SIZE = ONE // 100
SKEW_SCALE = 10_000 * ONE
POOLED = 1_000_000 * TOKEN
LOW, HIGH = PRICE * 9 // 10, PRICE * 11 // 10
KEPT_LOW, KEPT_HIGH = kept_down(LOW), kept_up(HIGH)

NONE, PENDING, OPEN = range(3)
NO_ORDER, OPENING, CLOSE, RAISE = range(4)
OUTSIDE_BAND, DISPUTED, LATE, UNPROVEN, SERIES_CLOSED, FUNDING_REFUSED, RESERVE_REACHED, MARKET_ENDED = range(1, 9)
ACTION_OPEN, ACTION_CLOSE, ACTION_RAISE, ACTION_REMOVE = range(4)


def up(numerator: int, denominator: int) -> int:
    """The quotient, rounded up."""
    return -(-numerator // denominator)


def value_up(size: int, price: int) -> int:
    """What abs(size) costs."""
    return up(abs(size) * price, UNIT)


def fee_of(rate: int, size: int, price: int) -> int:
    """A share of the notional."""
    return up(rate * value_up(size, price), ONE)


def initial_of(size: int, price: int) -> int:
    """4 % of the notional, as the margin model and the market round it."""
    return up(up(up(abs(size) * price, ONE) * 4, 100) * ONE, UNIT)


def keeper_fee(waited: int) -> int:
    """The keeper's pay so many seconds after the request."""
    return FLOOR + (CAP - FLOOR) * min(max(waited - DELAY, 0), TIME_TO_LIVE) // TIME_TO_LIVE


def premium_of(before: int, change: int) -> int:
    """The perpetual's premium rate on a change of the skew, kept to nine decimals."""
    after = before + change
    start = 0 if before * after < 0 else abs(before)
    if abs(after) <= start:
        return 0
    return up(up((after**2 - start**2) * ONE, 2 * SKEW_SCALE * abs(change)), 10**9) * 10**9


def gain_of(size: int, entry: int, mark: int) -> int:
    """Gain of a position, rounded down."""
    return size * (mark - entry) // UNIT


class Rates(NamedTuple):
    """What a second costs: of notional, owed by longs and received by shorts; of reserve, owed to the pool."""

    funding: int
    borrow: int


def rates_of(long: int, short: int, reserved: int, idle: int) -> Rates:
    """The perpetual's carry below the kink, where no earlier rate holds it back."""
    funding = up(ONE // YEAR * min(abs(long - short), SKEW_SCALE), SKEW_SCALE)
    used = reserved * ONE // (reserved + idle)
    assert used <= ONE * 8 // 10
    borrow = (ONE // 50 + (ONE // 5 - ONE // 50) * used // (ONE * 8 // 10)) // YEAR
    return Rates(funding if long >= short else -funding, borrow)


def carry_of(size: int, reserve: int, index: int, rates: Rates, seconds: int) -> int:
    """What a position owes after so long."""
    owed = (rates.funding if size > 0 else -rates.funding) * seconds
    notional = value_up(size, index) if owed > 0 else abs(size) * index // UNIT
    return up(notional * owed, ONE) + up(reserve * rates.borrow * seconds, ONE)


class Payout(NamedTuple):
    """How an exit divides what the vault held, and what stays in it."""

    trader: int
    pool: int
    keeper: int
    margin: int
    reserve: int


def close_of(p: Any, size: int, index: int, mark: int, premium: int, flat: int, rates: Rates, seconds: int) -> Payout:
    """A close of `size` of a position whose vault is as told by positionOf."""
    held = abs(p.size)
    flat = min(flat, p.margin)
    margin, reserve = (p.margin - flat) * size // held, p.reserve * size // held
    signed = size if p.size > 0 else -size
    equity = margin + gain_of(signed, p.entry, mark) - carry_of(signed, reserve, index, rates, seconds)
    rest = min(max(equity, 0), margin + reserve)
    rest -= min(rest, fee_of(FEE + premium, size, index))
    return Payout(rest, margin + reserve - rest, flat, p.margin - flat - margin, p.reserve - reserve)


NO_RATES = Rates(0, 0)
OVER = (0, 0, NONE, 0, 0, 0, 0, 0, 0)  # a position that is over, or never was


def markets(world: World) -> tuple[MarketContracts, MarketContracts]:
    """Both markets of the world."""
    return world.perpetual, world.dated


def state(world: World, positions: Iterable[str] = ()) -> Any:
    """All that an action might change."""
    accounts = (world.trader, world.other, world.provider, world.keeper, world.stranger)
    pools = [
        (m.pool.call.liquidity(), [m.market.call.seriesOf(i) for i in range(5)], live_series(m)) for m in markets(world)
    ]
    vaults = [
        (m.market.call.positionOf(p), m.market.call.orderOf(p), m.market.call.claimable(p))
        for m in markets(world)
        for p in positions
    ]
    held = [world.balance(a) for a in (*accounts, *positions, *(m.pool.address for m in markets(world)))]
    return pools, vaults, held


def conserved(world: World, *positions: str) -> None:
    """Every token is in an account, a pool or a vault; vaults and pools hold to the unit what they account for."""
    accounts = [world.trader, world.other, world.provider, world.keeper, world.stranger, world.token.address]
    accounts += [*positions, *(m.pool.address for m in markets(world))]
    assert sum(world.balance(account) for account in accounts) == world.token.call.totalSupply()
    owed = dict.fromkeys(positions, 0)
    for m in markets(world):
        in_vaults = 0
        for position in positions:
            p = m.market.call.positionOf(position)
            reserve = p.reserve if p.status == OPEN else 0
            in_vaults += reserve
            owed[position] += p.margin + reserve + sum(m.market.call.claimable(position))
        committed, idle = m.pool.call.liquidity()
        assert world.balance(m.pool.address) == committed - in_vaults + idle
    assert owed == {position: world.balance(position) for position in positions}


def refused(
    world: World,
    name: str,
    values: tuple[Any, ...],
    send: Callable[..., Any],
    *args: Any,
    sender: str,
    positions: Iterable[str] = (),
) -> None:
    """The call reverts with exactly this error, and nothing has changed."""
    before = state(world, positions)
    with pytest.raises(Revert) as caught:
        send(*args, sender=sender)
    assert (caught.value.name, tuple(caught.value.values)) == (name, values)
    assert state(world, positions) == before
    conserved(world, *positions)


def open_refused(
    world: World,
    name: str,
    values: tuple[Any, ...],
    *legs: dict[str, int],
    low: int = LOW,
    high: int = HIGH,
    market: MarketContracts | None = None,
    trader: str | None = None,
    sender: str | None = None,
) -> None:
    """An opening order that must not be taken."""
    send, trader = (market or world.perpetual).market.send.requestOpen, trader or world.trader
    refused(world, name, values, send, trader, list(legs), low, high, sender=sender or trader)


def requested(world: World, size: int = 10 * ONE, margin: int = 2_000, reserve: int = 5_000, **named: Any) -> str:
    """A pending position within ten percent of the price."""
    series = named.pop("series", 0)
    (position,) = world.request(world.leg(size, margin, reserve, series), **{"low": LOW, "high": HIGH, **named})
    return position


def position_of(world: World, position: str, market: MarketContracts | None = None) -> Any:
    """As the market knows it."""
    return (market or world.perpetual).market.call.positionOf(position)


def close_order(
    world: World,
    position: str,
    size: int = 10 * ONE,
    low: int = 0,
    high: int = 0,
    market: MarketContracts | None = None,
) -> None:
    """A close committed by the trader."""
    (market or world.perpetual).market.send.requestClose(position, size, low, high, MAX, sender=world.trader)


def grant(world: World, operator: str, *actions: int, budget: int = 2**128 - 1, expiry: int = NOW * 2) -> None:
    """The trader's leave to act on the perpetual market."""
    bits = sum(1 << action for action in actions)
    world.deployment.operators.send.grant(
        world.perpetual.market.address, operator, (expiry, bits, budget), sender=world.trader
    )
