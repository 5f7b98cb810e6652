"""PositionMath, Book, PositionStore and Bands against their twins: random words, and words near the ends of the bounds.

The bounds are those of docs/spec.md: the libraries rely on them and check none of them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from bulkhead.build import artifacts
from bulkhead.chain import Contract, RevmChain
from bulkhead.model.interfaces.market import Order, OrderKind, Position, Status
from bulkhead.model.libraries import bands, book, position_math, position_store
from bulkhead.model.libraries.book import Carry, Series, Side
from bulkhead.model.libraries.position_math import LOT, ONE
from bulkhead.protocol.config import camel
from tests.differential.answers import answer_of, plain

Words = st.SearchStrategy[int]


def uint(bits: int) -> Words:
    """Any size of number is as likely, and so are both ends."""
    return st.integers(0, bits).flatmap(lambda n: st.integers(max(0, (1 << n) - 2), (1 << n) - 1)) | st.integers(
        0, bits
    ).flatmap(lambda n: st.integers(0, (1 << n) - 1))


def sint(bits: int) -> Words:
    """The same with a sign."""
    return st.builds(lambda value, minus: ~value if minus else value, uint(bits - 1), st.booleans())


def below(limit: int) -> Words:
    """Amounts as they occur."""
    return st.integers(0, limit)


NOW = 1_800_000_000
TOKENS, SIZES, PRICES, RATES = uint(88), uint(63).map(LOT.__mul__), uint(112), uint(64)
INDEX, UNITS = uint(128), st.sampled_from([10**18, 10**28, 10**30, 10**36])
SIGNED_SIZES = st.builds(lambda size, minus: -size if minus else size, SIZES, st.booleans())
EQUITY = sint(90)
FUNDING, BORROWING = sint(48), uint(40)
POSITIONS = st.builds(
    Position,
    margin=TOKENS,
    reserve=TOKENS,
    status=st.just(Status.OPEN),
    size=SIGNED_SIZES,
    entry=PRICES,
    series=uint(24),
    time=uint(32),
    funding=FUNDING,
    borrowing=BORROWING,
)
ORDERS = st.builds(
    Order,
    kind=st.sampled_from([OrderKind.CLOSE, OrderKind.RAISE_RESERVE]),
    requested_at=uint(32),
    phase=uint(16),
    premium=uint(32).map((10**9).__mul__),
    amount=TOKENS,
    low=PRICES,
    high=PRICES,
)
CARRIES = st.builds(Carry, sint(70), uint(64))
SIDES = st.builds(Side, uint(80), uint(88), uint(88), uint(128), sint(110))
SERIES = st.builds(
    Series,
    uint(64),
    uint(64),
    uint(64),
    uint(64),
    sint(70),
    uint(64),
    sint(40),
    uint(40),
    st.integers(NOW, NOW + 10**8) | uint(32),
    st.booleans(),
    SIDES,
    SIDES,
)
TIME = st.integers(NOW, NOW + 10**8) | uint(32)

#: Twin and arguments; the contract's name is the twin's in camelCase unless it is given.
PURE: list[tuple[Callable[..., Any], str, tuple[st.SearchStrategy[Any], ...]]] = [
    (position_math.value_down, "", (SIZES, INDEX, UNITS)),
    (position_math.value_up, "", (SIZES, INDEX, UNITS)),
    (position_math.fee_up, "", (RATES, SIZES, INDEX, UNITS)),
    (position_math.gain_down, "", (SIGNED_SIZES, INDEX, INDEX, UNITS)),
    (position_math.carry_up, "", (TOKENS | uint(160), sint(73))),
    (position_math.largest_loss_down, "", (SIGNED_SIZES, PRICES, INDEX | st.just(2**256 - 1), UNITS)),
    (position_math.largest_gain_down, "", (SIGNED_SIZES, PRICES, INDEX | st.just(2**256 - 1), UNITS)),
    (position_math.fill, "", (PRICES, RATES, INDEX, st.booleans())),
    (position_math.split, "", (TOKENS, TOKENS, EQUITY, TOKENS | uint(170), st.integers(0, ONE), st.integers(0, ONE))),
    (position_math.liquidation_fraction_up, "", (EQUITY, TOKENS | uint(170), TOKENS | uint(170), uint(60))),
    (position_math.absolute, "", (sint(256),)),
    (book.carry_up, "carryOf", (CARRIES, POSITIONS, INDEX, UNITS)),
    (book.at_entry, "", (CARRIES, st.booleans())),
    (bands.floor, "", (uint(160),)),
    (bands.ceil, "", (uint(112),)),
    (bands.value, "expand", (uint(40),)),
]


@pytest.fixture(scope="module")
def harness() -> Contract:
    return RevmChain(timestamp=NOW, keep_logs=False).deploy(artifacts()["MathHarness"])


def check(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


def side_words(side: Side) -> Any:
    """As a contract holds it."""
    return book.packed(Series(long=side))[2]


@pytest.mark.parametrize(("twin", "name", "arguments"), PURE, ids=[f"{p[0].__module__}.{p[0].__name__}" for p in PURE])
def test_pure_functions(
    harness: Contract, twin: Callable[..., Any], name: str, arguments: tuple[st.SearchStrategy[Any], ...]
) -> None:
    call = getattr(harness.call, name or camel(twin.__name__))

    @check(150)
    @given(st.tuples(*arguments))
    def compare(args: tuple[Any, ...]) -> None:
        foreseen = answer_of(twin, *args)
        assert foreseen[:2] != ("error", "OutOfBounds") if isinstance(foreseen, tuple) else True
        assert answer_of(call, *map(plain, args)) == foreseen

    compare()


@check(150)
@given(side=SIDES, size=SIGNED_SIZES, mark=PRICES, index=PRICES, carry=CARRIES, unit=UNITS)
def test_worth_of_a_side(
    harness: Contract, side: Side, size: int, mark: int, index: int, carry: Carry, unit: int
) -> None:
    worth_equals(harness, side, size, mark, index, carry, unit)


@pytest.mark.parametrize("size", [(2**63 - 1) * LOT, (1 - 2**63) * LOT])
@pytest.mark.parametrize("funding", [ONE, -ONE])
def test_worth_of_a_side_so_large_that_its_last_unit_is_a_part_in_1e18(
    harness: Contract, size: int, funding: int
) -> None:
    side = Side(margin=2**70, reserve=2**80, entry_value=2 * 10**20)
    worth_equals(harness, side, size, 2_000 * ONE, 2_000 * ONE, Carry(funding, ONE // 1_000), 10**30)


def worth_equals(harness: Contract, side: Side, size: int, mark: int, index: int, carry: Carry, unit: int) -> None:
    told = answer_of(harness.call.sideGain, side_words(side), size, mark, index, plain(carry), unit)
    assert told == answer_of(book.side_gain, side, size, mark, index, carry, unit)


@check(150)
@given(series=SERIES, time=TIME, mark=PRICES, index=PRICES, unit=UNITS)
def test_series_views(harness: Contract, series: Series, time: int, mark: int, index: int, unit: int) -> None:
    harness.send.set(book.packed(series))
    assert book.unpacked(plain(harness.call.get())) == series
    assert answer_of(harness.call.carryAt, time) == answer_of(book.carry_at, series, time)
    told = answer_of(harness.call.gain, mark, index, time, unit)
    assert told == answer_of(book.gain, series, mark, index, time, unit)


@check(150)
@given(series=SERIES, p=POSITIONS, entry=PRICES, unit=UNITS)
def test_room_on_a_side(harness: Contract, series: Series, p: Position, entry: int, unit: int) -> None:
    harness.send.set(book.packed(series))
    assert answer_of(harness.call.isFull, plain(p), entry, unit) == answer_of(book.is_full, series, p, entry, unit)


@check(150)
@given(series=SERIES, carry=CARRIES, funding=sint(40) | sint(64), rate=uint(40) | uint(64))
def test_new_rates(harness: Contract, series: Series, carry: Carry, funding: int, rate: int) -> None:
    harness.send.set(book.packed(series))
    told = written(harness, "setRates", plain(carry), funding, rate)
    assert told == answer_of(book.set_rates, series, carry, funding, rate, harness.chain.timestamp)


@check(150)
@given(series=SERIES, change=SIGNED_SIZES)
def test_pending_sizes(harness: Contract, series: Series, change: int) -> None:
    harness.send.set(book.packed(series))
    assert answer_of(harness.call.requireRoom, change) == answer_of(book.require_room, series, change)
    lots = abs(change) // LOT
    if (series.buying_lots if change > 0 else series.selling_lots) + lots >> 64:
        return  # no caller has so much
    assert written(harness, "pend", change) == answer_of(book.pend, series, change)
    assert written(harness, "unpend", change) == plain(series)


@check(150)
@given(old=POSITIONS, reserve=TOKENS, carry=CARRIES)
@example(old=Position(status=Status.OPEN, size=LOT, reserve=1), reserve=3, carry=Carry(0, 149_999_999))  # a third of it
def test_a_raise_keeps_the_debt(harness: Contract, old: Position, reserve: int, carry: Carry) -> None:
    carry = carry._replace(borrowing=max(carry.borrowing, old.borrowing * book.KEPT))
    reserve = max(reserve, old.reserve)
    told = answer_of(harness.call.rebased, plain(carry), plain(old), reserve)
    assert told == answer_of(book.rebased, carry, old, reserve)
    if reserve and not isinstance(told, tuple):
        owed = carry.borrowing - told * book.KEPT
        assert reserve * owed >= old.reserve * (carry.borrowing - old.borrowing * book.KEPT)


@check(150)
@given(p=POSITIONS, order=ORDERS)
def test_what_is_stored_comes_back(harness: Contract, p: Position, order: Order) -> None:
    told_p, told_order = harness.send.store(plain(p), plain(order)).return_value
    assert plain(told_p) == plain(position_store.save_terms(position_store.save_state(p)))
    assert plain(told_order) == plain(position_store.save_order(order))
    assert told_order.low <= order.low and told_order.high >= order.high
    assert (told_order.high - order.high) * 2**32 <= order.high


@check(50)
@given(p=POSITIONS, margin=uint(96), entry=uint(120))
@example(p=Position(status=Status.OPEN, size=LOT), margin=2**88 - 1, entry=2**112 - 1)
@example(p=Position(status=Status.OPEN, size=LOT), margin=2**88, entry=1)
@example(p=Position(status=Status.OPEN, size=LOT), margin=1, entry=2**112)
def test_what_does_not_fit_is_refused(harness: Contract, p: Position, margin: int, entry: int) -> None:
    p = replace(p, margin=margin, entry=entry)
    told = answer_of(lambda: harness.send.store(plain(p), plain(Order())).return_value)
    foreseen = answer_of(lambda: position_store.save_terms(position_store.save_state(p)))
    assert told == foreseen or plain(told[0]) == foreseen


@check(150)
@given(first=POSITIONS, second=POSITIONS, third=POSITIONS, margin=TOKENS, unit=st.sampled_from([10**18, 10**30]))
def test_sums_of_positions(
    harness: Contract, first: Position, second: Position, third: Position, margin: int, unit: int
) -> None:
    """Positions of one side come, change, get margin, and go: all lanes end as they began."""
    sign = 1 if first.size >= 0 else -1
    # what a pool commits bounds the sum of reserves, and what opens is asked for room
    first, second, third = (
        replace(p, size=sign * max(abs(p.size), LOT), reserve=p.reserve >> 2, margin=p.margin >> 3)
        for p in (first, second, third)
    )
    assume(sum(position_math.value_up(abs(p.size), p.entry, unit) for p in (first, second, third)) >> 88 == 0)
    none, series = Position(), Series()
    harness.send.set(book.packed(series))
    richer = replace(third, margin=margin)
    steps: list[tuple[str, tuple[Any, ...]]] = [
        ("replace", (none, first, unit)),
        ("replace", (none, second, unit)),
        ("replace", (second, third, unit)),
        ("replaceMargin", (third.size, third.margin, margin)),
        ("replace", (first, none, unit)),
        ("replace", (richer, none, unit)),
    ]
    for name, args in steps:
        twin = book.replace_position if name == "replace" else book.replace_margin
        foreseen = answer_of(twin, series, *args)
        assert written(harness, name, *map(plain, args)) == foreseen, name
        if foreseen[0] == "error":
            return
        series = twin(series, *args)
    assert series == Series()


@pytest.mark.parametrize("sign", [1, -1])
def test_margins_beyond_half_a_lane_may_stay_and_go_but_not_grow(harness: Contract, sign: int) -> None:
    """A partial liquidation has turned reserve into margin."""
    side = Side(margin=book.MARGINS + 5)
    series = Series(long=side) if sign > 0 else Series(short=side)
    for old, current, more in ((512, 512, 0), (768, 512, -1), (512, 768, None)):
        harness.send.set(book.packed(series))
        told = written(harness, "replaceMargin", sign * LOT, old, current)
        assert told == answer_of(book.replace_margin, series, sign * LOT, old, current)
        if more is None:
            assert told[:2] == ("error", "SideFull")
        else:
            left = side._replace(margin=side.margin + more)
            assert told == plain(replace(series, long=left) if sign > 0 else replace(series, short=left))


@pytest.mark.parametrize("sign", [1, -1])
def test_room_to_the_last_unit(harness: Contract, sign: int) -> None:
    unit, most = 10**30, 2**88 - 1
    for margin, value, wanted in ((0, 0, False), (1, 0, "SideFull"), (0, 1, True)):
        side = Side(margin=book.MARGINS - 4 + margin, entry_value=most - 4 + value)
        harness.send.set(book.packed(Series(long=side) if sign > 0 else Series(short=side)))
        p = Position(size=sign * LOT, margin=4 * 256 + 255)
        told = answer_of(harness.call.isFull, plain(p), 4 * 10**20 - 1, unit)  # worth 4 units, rounded up
        assert told == (("error", "SideFull", ()) if wanted == "SideFull" else wanted)
    for lots, fits in ((2**62, True), (2**62 + 1, False)):
        pair = (lots, 2**62 - 3)  # open, and pending on the same side
        names = ("long_lots", "buying_lots") if sign > 0 else ("short_lots", "selling_lots")
        harness.send.set(book.packed(Series(**dict(zip(names, pair, strict=True)))))
        told = answer_of(harness.call.requireRoom, sign * 2 * LOT)
        assert told == (None if fits else ("error", "SideFull", ()))


def test_a_debt_grows_to_the_last_unit_that_is_kept(harness: Contract) -> None:
    most = 2**64 - 1
    harness.send.set(book.packed(Series(borrowing=most - 10, borrow_rate=5, time=NOW, live=True)))
    told = [harness.call.carryAt(NOW + seconds).borrowing for seconds in (0, 1, 2, 3, 2**31)]
    assert told == [most - 10, most - 5, most, most, most]


# --- what no solver decided (docs/proofs.md): of the contract, without a twin


@check(300)
@given(TOKENS, TOKENS, EQUITY, uint(90), TOKENS | uint(170), st.integers(0, ONE), st.integers(0, ONE))
def test_more_equity_never_pays_the_trader_less(
    harness: Contract, margin: int, reserve: int, equity: int, more: int, fees: int, phi: int, share: int
) -> None:
    less, most = (
        harness.call.split(margin, reserve, value, fees, phi, share).toTrader for value in (equity, equity + more)
    )
    assert less <= most


@check(300)
@given(SIGNED_SIZES, INDEX, INDEX, UNITS)
def test_a_gain_is_never_above_the_exact_one(harness: Contract, size: int, entry: int, mark: int, unit: int) -> None:
    """Nor is it a whole unit below."""
    assert 0 <= size * (mark - entry) - harness.call.gainDown(size, entry, mark, unit) * unit < unit


def written(harness: Contract, name: str, *args: Any) -> Any:
    """The series after a call, or the call's error."""
    told = answer_of(lambda: getattr(harness.send, name)(*args) and None)
    return told or plain(book.unpacked(plain(harness.call.get())))
