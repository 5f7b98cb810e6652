"""The objects of the front door, through the whole life of positions and pools."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from bulkhead import Protocol
from bulkhead.build import artifacts, ast
from bulkhead.chain import Abi, AnvilChain, Web3Chain
from bulkhead.cli import main
from bulkhead.model.interfaces.market import Action, ExitKind, OrderKind, Status, VoidReason
from bulkhead.model.oracles.oracle_settings import Composition
from bulkhead.protocol import Deployment, Leg, Market, Oracle, OracleTerms, Refused, errors
from bulkhead.protocol.config import source, text32
from bulkhead.protocol.events import (
    ENDS,
    WHY,
    Claimed,
    ContractEvent,
    Exited,
    ExitKept,
    ExitPaid,
    ExitRenewed,
    ExitVoid,
    MarginChanged,
    Opened,
    OpenRequested,
    OrderRequested,
    OrderVoided,
    PaymentKept,
    ReserveRaised,
)
from bulkhead.protocol.oracle import Feed
from bulkhead.protocol.units import SHARE_OFFSET, snake, to_datetime
from tests.addresses import parts_of
from tests.local_network import provide
from tests.unit.protocol.conftest import Door
from tests.unit.protocol.test_errors import end, kept
from tests.world import World

E18 = 10**18


def enum(name: str) -> list[str]:
    """Members of a Solidity enum, in order, as Python names them."""
    sources: Any = ast()
    (found,) = [
        node
        for source, tree in sources.items()
        if source == "contracts/interfaces/IMarket.sol"
        for node in tree["nodes"]
        if node["nodeType"] == "EnumDefinition" and node["name"] == name
    ]
    return [snake(member["name"]).removeprefix("_").upper() for member in found["members"]]


def test_every_reason_and_every_end_has_its_words() -> None:
    assert [reason.name for reason in VoidReason] == enum("VoidReason") and set(WHY) == set(VoidReason) - {0}
    assert [kind.name for kind in ExitKind] == enum("ExitKind") and set(ENDS) == set(ExitKind)
    for kind in (Status, OrderKind, Action):
        assert [member.name for member in kind] == enum(kind.__name__)


def test_every_event_of_a_market_is_told(door: Door) -> None:
    declared = {event.name: event for event in door.market.contract.abi.events}
    assert set(declared) <= set(ContractEvent.kinds)
    others = [artifacts()[name].abi for name in ("IPool", "IOracle", "IVolatilityFeed", "IOperators")]
    for event in (event for abi in others for event in Abi(abi).events):
        declared.setdefault(event.name, event)
    for name, kind in ContractEvent.kinds.items():
        raw = declared[name]
        values = raw._make(range(len(raw._items)))
        assert list(kind.units) == [snake(field) for field in values._fields]


def test_importing_the_package_is_cheap() -> None:
    probe = (
        "import bulkhead, sys; print(sorted(m for m in sys.modules if m.startswith(('bulkhead', 'web3', 'pyrevm'))))"
    )
    told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "['bulkhead']"
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        import bulkhead

        _ = bulkhead.Nothing


# ---------------------------------------------------------------- a life


def test_open_liquidate_and_close_on_every_backend(any_door: Door) -> None:
    door = any_door
    market, protocol = door.market, door.protocol
    before = market.token.balance(door.trader)
    position = door.request()
    assert (position.status, position.size, position.entry) == (Status.PENDING, 10, None)
    assert position.order == (OrderKind.OPEN, 5_000) and not position.is_over
    assert (position.margin, position.reserve, position.trader) == (1_000, 5_000, door.trader)
    assert repr(position).endswith(": pending, long 10, margin 1,000, reserve 5,000>")
    with pytest.raises(errors.PriceNotThereYet):
        market.execute(position)

    protocol.set_price(2_000)
    opened = market.execute(position, sender=door.keeper)
    assert isinstance(opened, Opened) and opened.index == 2_000
    assert (position.status, position.entry, position.series) == (Status.OPEN, Decimal(2_001), 0)
    assert position.margin == opened.margin < 1_000 and position.reserve == opened.reserve == 5_000
    assert market.token.balance(door.keeper) == opened.keeper_fee > 0
    assert " open, long 10 at 2,001, " in repr(position)

    low, high = position.healthy_range()
    assert high == Decimal("Infinity") and position.health(low).healthy
    assert not position.health(low - Decimal(1) / E18).healthy
    assert market.liquidate([position]) == [] and market.unhealthy([position]) == []

    protocol.set_price(1_930)
    assert market.unhealthy([position]) == [position]
    assert not position.health().healthy
    (exited,) = market.liquidate([position], sender=door.keeper)
    assert (exited.kind, exited.position, exited.index) == (ExitKind.LIQUIDATION, position.address, 1_930)
    assert position.size == 10 - exited.size
    assert str(exited).startswith(f"Liquidated: {exited.size} at 1,930; 0 tokens to the trader, ")

    position.close()
    assert position.order == (OrderKind.CLOSE, position.size)
    protocol.set_price(1_940)
    closed = market.execute(position, sender=door.keeper)
    assert isinstance(closed, Exited) and closed.kind is ExitKind.CLOSE
    assert market.token.balance(door.trader) == before - 1_000 + closed.to_trader
    assert position.status is Status.NONE and position.is_over and repr(position).endswith(": over>")
    kinds = [type(event) for event in position.events()]
    assert kinds == [OpenRequested, Opened, Exited, OrderRequested, Exited]


def test_short_position(door: Door) -> None:
    position = door.open(size=-10)
    low, high = position.healthy_range()
    assert low == 0 and position.health(high).healthy and not position.health(high + Decimal(1) / E18).healthy
    assert position.size == -10 and ": open, short 10 at 1,999, " in repr(position)


def test_legs_open_together_or_not_at_all(door: Door) -> None:
    legs = Leg(10, 1_000, 5_000), Leg(-5, 1_000, 2_000)
    both = door.market.request(*legs, band=(1_990, 2_010), sender=door.trader)
    assert [position.size for position in both] == [10, -5]
    door.protocol.set_price(2_011)
    for position in both:
        voided = door.market.execute(position)
        assert isinstance(voided, OrderVoided) and voided.reason is VoidReason.OUTSIDE_BAND
        assert str(voided).startswith("The order is void, because its first price was outside its band; it pays")
    (requested,) = (event for event in both[1].events() if isinstance(event, OpenRequested))
    assert requested.leg == Leg(Decimal(-5), Decimal(1_000), Decimal(2_000))
    assert 0 <= 1_990 - requested.low < Decimal("1e-6") and 0 <= requested.high - 2_010 < Decimal("1e-6")
    assert requested.trader == door.trader
    assert "asks to open short 5 with margin 1,000 between 1,990 and 2,010" in str(requested)


def test_an_order_that_nobody_proves_is_void(door: Door) -> None:
    position = door.request()
    door.protocol.wait(4_000)
    voided = door.market.execute(position)
    assert isinstance(voided, OrderVoided) and voided.reason is VoidReason.UNPROVEN


def test_margin_in_and_out(door: Door) -> None:
    position = door.open()
    before = position.margin
    position.add_margin("100.000001")
    assert position.margin == before + Decimal("100.000001")
    position.remove_margin(50, sender=door.trader)
    added, removed = (event for event in position.events() if isinstance(event, MarginChanged))
    assert (added.change, removed.change, position.margin) == (
        Decimal("100.000001"),
        -50,
        before + Decimal("50.000001"),
    )
    assert str(removed) == "The margin changed by -50 tokens."
    position.add_margin(1, sender=door.other)


def test_reserve_raised_and_reached(door: Door) -> None:
    position = door.open(reserve=1_100)
    position.raise_reserve(100)
    assert position.order == (OrderKind.RAISE_RESERVE, 100)
    door.protocol.set_price(2_000)
    raised = door.market.execute(position)
    assert isinstance(raised, ReserveRaised) and raised.reserve == position.reserve == 1_200
    door.protocol.set_price(2_150)
    exited = door.market.close_at_reserve(position, sender=door.keeper)
    assert exited.kind is ExitKind.AT_RESERVE and exited.to_trader > 2_000
    assert [str(event) for event in position.events() if isinstance(event, OrderRequested)] == [
        "Asks to raise reserve 100, at a premium of 0 %."
    ]


def test_part_of_a_position_within_a_band(door: Door) -> None:
    position = door.open()
    position.close("2.5", band=(2_050, 2_200))
    door.protocol.set_price(2_000)
    voided = door.market.execute(position)
    assert isinstance(voided, OrderVoided) and (voided.kind, position.size) == (OrderKind.CLOSE, 10)
    position.close("2.5")
    door.protocol.set_price(2_000)
    door.market.execute(position)
    assert position.size == Decimal("7.5")
    asked = [str(event) for event in position.events() if isinstance(event, OrderRequested)]
    assert len(asked) == 2 and all(text.startswith("Asks to close 2.5, at a premium of ") for text in asked)


def test_what_a_token_refuses_is_claimed(door: Door) -> None:
    position = kept(door)
    owed = position.claimable
    assert owed.trader > 900 and owed.pool == 0
    assert any(isinstance(event, PaymentKept) and event.trader == owed.trader for event in position.events())
    before = door.market.token.balance(door.other)
    position.claim(door.other)
    assert door.market.token.balance(door.other) == before + owed.trader
    (claimed,) = (event for event in position.events() if isinstance(event, Claimed))
    assert (claimed.to, claimed.amount) == (door.other, owed.trader)
    assert position.claimable == (0, 0)


def test_an_ended_market_is_settled(door: Door) -> None:
    position, waiting = door.open(), door.request()
    end(door)
    assert door.market.oracle.final() == (2_000, door.market.oracle.final().time)  # type: ignore[union-attr]
    exited, voided = door.market.settle([position, waiting])
    assert isinstance(exited, Exited) and exited.kind is ExitKind.SETTLEMENT
    assert isinstance(voided, OrderVoided) and voided.reason is VoidReason.MARKET_ENDED
    assert door.market.settle([position]) == []


def test_positions_by_address(door: Door) -> None:
    position = door.open()
    same = door.market.position(position.address)
    assert same == position and len({same, position}) == 1 and same != door.market


def test_what_is_over_and_what_never_was(door: Door) -> None:
    position = door.request()
    door.protocol.wait(4_000)
    door.market.execute(position)
    assert (position.status, position.size, position.order) == (Status.NONE, 0, None)
    assert position.is_over and repr(position).endswith(": over>")
    token = door.market.token.address
    for never in (door.stranger, token, door.market.address):
        assert not door.market.position(never).is_over
        assert repr(door.market.position(never)).endswith(": none>")
    elsewhere = Protocol.local(door.protocol.chain).market()
    assert not elsewhere.position(position.address).is_over


# ---------------------------------------------------------------- quotes


@pytest.mark.parametrize("size", [10, -10])
def test_a_quoted_margin_is_the_smallest(any_door: Door, size: int) -> None:
    door = any_door
    band = (1_990, 2_015)
    quote = door.market.quote(size, reserve=5_000, band=band, trader=door.trader)
    assert quote.refusal is None and quote.free_liquidity == 1_000_000
    assert quote.largest_loss == quote.smallest_margin
    terms = {"size": size, "reserve": quote.lowest_reserve, "band": band}
    with pytest.raises(errors.ReserveOutOfBounds):
        door.request(**terms | {"reserve": quote.lowest_reserve - Decimal("0.000001")}, margin=quote.smallest_margin)
    with pytest.raises(errors.ReserveOutOfBounds):
        door.request(**terms | {"reserve": quote.highest_reserve + Decimal("0.000001")}, margin=quote.smallest_margin)
    with pytest.raises(errors.MarginTooSmall):
        door.request(**terms, margin=quote.smallest_margin - Decimal("0.000001"))
    position = door.request(**terms, margin=quote.smallest_margin)
    (asked,) = position.events()
    assert isinstance(asked, OpenRequested) and asked.premium == quote.premium
    assert position.margin == quote.smallest_margin


def test_a_quote_says_what_the_market_would_refuse(door: Door) -> None:
    def refusal(trader: Any = door.trader, **terms: Any) -> Any:
        return door.market.quote(**({"size": 10, "reserve": 5_000, "trader": trader} | terms)).refusal

    assert refusal() is None
    assert type(refusal(door.stranger)) is errors.ERC20InsufficientBalance
    assert type(refusal(reserve=1)) is errors.ReserveOutOfBounds
    assert refusal(band=(1_000, 1_990)) is None
    assert type(refusal(size="1000", reserve=950_000, max_premium="0.1")) is errors.UtilisationAboveCap
    assert type(refusal(size="0.001")) is errors.SizeTooSmall
    with pytest.raises(errors.BandInvalid):
        refusal(band=(2_000, 1_990))


@pytest.mark.parametrize("size", [None, "2.5"])
def test_a_quoted_close_is_what_comes(any_door: Door, size: Any) -> None:
    door = any_door
    position = door.open(size=-10)
    door.protocol.wait(600)
    at_once = position.quote_close(size)
    quote = position.quote_close(size, price=1_950, time=door.protocol.chain.timestamp + 60)
    assert quote.to_trader > at_once.to_trader and quote.to_keeper > at_once.to_keeper == 1
    position.close(size)
    door.protocol.set_price(1_950)
    exited = door.market.execute(position)
    assert isinstance(exited, Exited)
    assert (exited.to_trader, exited.to_pool, exited.to_keeper) == quote[3:]


def test_only_what_is_open_has_a_quote_of_its_close(door: Door) -> None:
    pending = door.request()
    with pytest.raises(errors.WrongStatus):
        pending.quote_close()
    door.protocol.wait(4_000)
    door.market.execute(pending)
    with pytest.raises(errors.UnknownPosition):
        pending.quote_close(price=2_000)


def test_another_instrument(world: World) -> None:
    """Two legs of a dated family, settled at their expiry: the door knows nothing of perpetuals."""
    oracle = Oracle(world.chain, world.oracle.address, [world.feed.proxy.address])
    lens = world.deployment.deploy("Lens")
    market = Market(world.chain, world.dated.market.address, oracle, lens=lens)
    long, short = market.request(
        Leg(10, 6_000, 5_000, series=2), Leg(-5, 3_000, 2_000, series=1), band=(1_900, 2_100), sender=world.trader
    )
    world.price(2_000 * E18)
    told = market.execute_all([short, long])
    assert [(type(one), one.position) for one in told] == [(Opened, short.address), (Opened, long.address)]
    assert market.execute_all([]) == []
    assert (long.series, long.entry, short.series, short.entry) == (2, 502, 1, 998)
    world.wait(world.expiry - world.chain.timestamp)
    proof = world.price(2_100 * E18)
    assert market.settle([long, short]) == []
    world.dated.instrument.send.fix(1, proof)
    assert [event.mark for event in market.settle([long, short]) if isinstance(event, Exited)] == [600, 1_000]


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("decimals", [8, 18])
def test_other_tokens(decimals: int) -> None:
    door = Door.of(Protocol.local(decimals=decimals, prices={"BTC": "60000.5"}))
    position = door.request(size="0.5", margin=Decimal("3000.00000001"), reserve=5_000)
    assert position.margin == Decimal("3000.00000001")
    with pytest.raises(ValueError, match=f"margin must have at most {decimals} decimals, not "):
        door.request(size=1, margin=Decimal(1_000) + Decimal(1) / 10**19, reserve=5_000)
    assert door.protocol.market("BTC").oracle.latest().price == Decimal("60000.5")


@pytest.mark.parametrize("name", ["size", "margin", "reserve", "max_premium"])
def test_floats_are_refused_at_the_door(door: Door, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be exact, not the float 0.1"):
        door.request(**{name: 0.1})


def test_floats_are_refused_everywhere_else(door: Door) -> None:
    position, pool, wrong = door.open(), door.market.pool, 0.5
    for call in (
        lambda: door.request(band=(wrong, 2_000)),
        lambda: position.close(wrong),  # type: ignore[arg-type]
        lambda: position.add_margin(wrong),  # type: ignore[arg-type]
        lambda: position.health(wrong),  # type: ignore[arg-type]
        lambda: pool.deposit(wrong),  # type: ignore[arg-type]
        lambda: pool.request_redeem(wrong),  # type: ignore[arg-type]
        lambda: door.market.token.approve(pool, wrong),  # type: ignore[arg-type]
        lambda: door.protocol.set_price(wrong),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match=r"must be exact, not the float 0\.5: write '0\.5'"):
            call()


# ---------------------------------------------------------------- pool


def test_liquidity_in_and_out(door: Door) -> None:
    pool, provider, token = door.market.pool, door.other, door.market.token
    assert pool.contract.call.decimals() == token.decimals + SHARE_OFFSET
    assert (pool.total_assets, pool.liquidity, pool.due_exits) == (1_000_000, (0, 1_000_000), 0)
    shares = pool.deposit(500, sender=provider)
    assert shares == pool.shares(provider) == pool.preview_deposit(500)
    assert pool.mint(shares, sender=provider) == pool.preview_mint(shares) == 500
    assert pool.preview_withdraw(100) == pool.withdraw(100, sender=provider)
    left = pool.shares(provider)
    assert pool.preview_redeem(left) == pool.redeem(left, sender=provider) == 900
    assert pool.shares(provider) == 0


def test_exit_by_request(door: Door) -> None:
    pool, provider = door.market.pool, door.protocol.provider
    door.open(reserve=20_000)
    assert pool.liquidity.committed == 20_000
    first = pool.request_redeem(pool.shares(provider) / 2, sender=provider)
    second = pool.request_redeem(1_000, sender=provider)
    assert pool.due_exits > 500_000
    assert pool.exit(second) == (provider, 1_000, 0, 1) and pool.exit(99) is None
    with pytest.raises(errors.PriceNotThereYet):
        pool.execute_exit()
    door.protocol.set_price(2_010)
    before = door.market.token.balance(provider)
    (paid,) = pool.execute_exit(sender=door.keeper)
    assert isinstance(paid, ExitPaid) and (paid.id, paid.owner) == (first, provider)
    assert paid.assets == door.market.token.balance(provider) - before
    assert pool.exit(first) is None
    assert str(paid).startswith(f"Exit {first} is paid: ")

    door.token.send.setBlocked(provider, True)
    paid, refused = pool.execute_exit(sender=door.keeper)
    assert isinstance(paid, ExitPaid) and paid.shares == 1_000
    assert isinstance(refused, ExitKept) and refused.assets == paid.assets
    pool.claim_exit(door.stranger, sender=provider)
    assert door.market.token.balance(door.stranger) == paid.assets


def test_exit_without_a_price_is_renewed(door: Door) -> None:
    pool, provider = door.market.pool, door.protocol.provider
    door.open()
    id = pool.request_redeem(1_000, sender=provider)
    door.protocol.wait(4_000)
    assert [type(told) for told in pool.execute_exit()] == [ExitRenewed]
    assert pool.exit(id) is not None


def test_exit_below_its_least_is_void(door: Door) -> None:
    pool, provider = door.market.pool, door.protocol.provider
    door.open()
    before = pool.shares(provider)
    id = pool.request_redeem(1_000, least_assets=1_001, sender=provider)
    asked = pool.exit(id)
    assert asked is not None and asked.least == 1_001
    door.protocol.set_price(2_010)
    (void,) = pool.execute_exit(sender=door.keeper)
    assert isinstance(void, ExitVoid) and void.assets < 1_001 and pool.exit(id) is None
    assert pool.shares(provider) == before - 1_000 + void.shares and void.shares > 998
    assert str(void).startswith(f"Exit {id} brings ")


def test_exit_needs_no_proof_while_nothing_is_open(door: Door) -> None:
    pool, provider = door.market.pool, door.protocol.provider
    pool.request_redeem(1_000, sender=provider)
    assert [type(told) for told in pool.execute_exit()] == [ExitPaid]


# ---------------------------------------------------------------- operators


def test_operators_act_within_their_grant(any_door: Door) -> None:
    door, market = any_door, any_door.market
    operators, signer = market.operators, Account.from_key(b"\7" * 32)
    assert operators is not None
    now = door.protocol.chain.timestamp
    actions = {Action.OPEN, Action.CLOSE}
    operators.grant(market, door.other, actions, expiry=now + 10_000, budget="2500.5", sender=door.trader)
    position = market.open(10, 1_000, 5_000, trader=door.trader, sender=door.other)
    assert position.trader == door.trader
    grant = operators.grant_of(door.trader, market, door.other)
    assert (grant.actions, grant.expiry, grant.budget) == (actions, to_datetime(now + 10_000), Decimal("1500.5"))
    door.protocol.set_price(2_000)
    market.execute(position)
    with pytest.raises(errors.OutOfScope) as refused:
        position.remove_margin(1, sender=door.other)
    assert refused.value.action == Action.REMOVE_MARGIN and "may not remove margin for" in str(refused.value)
    position.close(sender=door.other)
    operators.revoke(market, door.other, sender=door.trader)
    assert operators.grant_of(door.trader, market, door.other).actions == frozenset()

    permit = operators.permit(
        signer.address, market, door.other, [Action.OPEN], expiry=now + 10_000, deadline=now + 10_000
    )
    operators.submit(permit, permit.sign(signer), sender=door.stranger)
    assert operators.grant_of(signer.address, market, door.other).budget is None
    with pytest.raises(errors.SignatureInvalid):
        operators.submit(permit, permit.sign(signer))


def test_a_used_up_nonce(door: Door) -> None:
    operators, chain = door.market.operators, door.protocol.chain
    assert operators is not None
    operators.revoke_nonce(sender=door.trader)
    permit = operators.permit(door.trader, door.market, door.other, [], expiry=0, deadline=chain.timestamp)
    assert permit.typed_data["message"]["nonce"] == 1


# ---------------------------------------------------------------- proofs


def test_proof_among_many_rounds(door: Door) -> None:
    position = door.request()
    for price in range(2_000, 2_020):
        door.push(price * 10**8)
    opened = door.market.execute(position)
    assert isinstance(opened, Opened) and opened.index == 2_000


def test_proof_from_the_phase_of_the_commit(door: Door) -> None:
    position = door.request()
    door.push(2_001 * 10**8)
    door.feed.send.newPhase()
    for price in (2_002, 2_003, 2_004):
        door.push(price * 10**8)
    opened = door.market.execute(position)
    assert isinstance(opened, Opened) and opened.index == 2_001


def test_proof_where_clocks_differ(door: Door) -> None:
    """A round that came on chain after the due time, yet was seen before it, is no first price."""
    position = door.request()
    seen = door.protocol.chain.timestamp + 5
    door.protocol.wait(60)
    door.feed.send.push(2_001 * 10**8, seen, door.protocol.chain.timestamp)
    with pytest.raises(errors.PriceNotThereYet):
        door.market.execute(position)
    door.push(2_002 * 10**8)
    opened = door.market.execute(position)
    assert isinstance(opened, Opened) and opened.index == 2_002


@pytest.fixture
def three_feeds(door: Door) -> tuple[Door, list[Any]]:
    """The door of a market whose oracle has two validators, one of them in its second phase."""
    chain, deployment = door.protocol.chain, Deployment(door.protocol.chain)
    feeds = [deployment.deploy("FeedProxyMock", 8) for _ in range(3)]
    feeds[2].send.newPhase()
    for _ in range(2):
        say(door, feeds, 2_000)
    primary, *others = (feed.address for feed in feeds)
    agreement = {"validators": [source(feed) for feed in others], "spread": E18 // 100, "quorum": 1}
    settings = OracleTerms().encoded(primary, 8) | agreement
    contract = deployment.deploy("Oracle", settings)
    oracle = Oracle(chain, contract.address, [feed.address for feed in feeds])
    made = deployment.perpetual_market(door.token, contract)
    market = Market(chain, made.market.address, oracle)
    for account in (door.trader, door.protocol.provider):
        door.protocol.fund(account, 1_000_000)
        for spender in (market, market.pool):
            market.token.approve(spender, 1_000_000, sender=account)
    market.pool.deposit(1_000_000, sender=door.protocol.provider)
    return Door(door.protocol, market, door.trader, door.other, door.keeper, door.stranger), feeds


def say(door: Door, feeds: list[Any], *prices: int) -> None:
    """Validators first, then the primary a second later."""
    told = [prices[-1 if len(prices) == 1 else i] for i in range(len(feeds))]
    door.protocol.wait(60)
    for pause, few in ((0, [1, 2]), (1, [0])):
        door.protocol.wait(pause)
        now = door.protocol.chain.timestamp
        for i in few:
            feeds[i].send.push(told[i] * 10**8, now, now)


def test_proof_with_validators(three_feeds: tuple[Door, list[Any]]) -> None:
    door, feeds = three_feeds
    position = door.request()
    say(door, feeds, 2_010)
    say(door, feeds, 2_015)
    opened = door.market.execute(position)
    assert isinstance(opened, Opened) and opened.index == 2_010


def test_dispute_among_validators(three_feeds: tuple[Door, list[Any]]) -> None:
    door, feeds = three_feeds
    position = door.request()
    say(door, feeds, 2_010, 1_900, 2_100)
    with pytest.raises(errors.PriceDisputed) as disputed:
        door.market.oracle.latest()
    assert (disputed.value.index, disputed.value.agreeing, disputed.value.quorum) == (2_010, 0, 1)
    say(door, feeds, 2_010)
    voided = door.market.execute(position)
    assert isinstance(voided, OrderVoided) and voided.reason is VoidReason.DISPUTED


def test_proof_around_a_new_phase_of_a_validator(three_feeds: tuple[Door, list[Any]]) -> None:
    door, feeds = three_feeds
    door.protocol.wait(90_000)  # an oracle follows a validator's phases once a day at most
    say(door, feeds, 2_000)
    early = door.request()
    say(door, feeds, 2_010)
    feeds[1].send.newPhase()
    say(door, feeds, 2_011)
    door.market.oracle.check_outage()
    late = door.request()
    say(door, feeds, 2_012)
    with pytest.raises(errors.QuorumNotShown, match="2 are not shown"):
        door.market.execute(late)  # a validator may still speak in the price's own second
    door.protocol.wait(1)
    for position, index in ((early, 2_010), (late, 2_012)):
        opened = door.market.execute(position)
        assert isinstance(opened, Opened) and opened.index == index


def test_rounds_of_a_dead_feed(door: Door) -> None:
    feed = Feed(door.protocol.chain, door.feed.address)
    assert feed.last_by(1, 0) == 1 << 64 | 1  # all came later
    assert feed.last_by(9, 2**40) == 0
    assert feed.first_after(9, 0) is None


# ---------------------------------------------------------------- finding a deployment


def addresses_of(market: Market) -> dict[str, Any]:
    """What a user may write down about a local market instead of a deployment record."""
    assert market.operators is not None and market.lens is not None
    parts = {"operators": market.operators.address, "lens": market.lens.address}
    return {"markets": {"ETH": parts_of(market) | parts}}


def test_at_a_node_with_keys_of_ones_own(anvil_door: Door, tmp_path: Path) -> None:
    """What a stranger's script does: a node, a key, a record."""
    with anvil_door.protocol.chain.isolated():
        chain = anvil_door.protocol.chain
        assert isinstance(chain, AnvilChain)
        signer = Account.from_key(b"\x11" * 32)
        chain.set_balance(signer.address, E18)
        anvil_door.protocol.fund(signer.address, 1_000)
        record = tmp_path / "record.json"
        record.write_text(json.dumps(addresses_of(anvil_door.market)))

        there = Protocol.connect(Web3Chain(chain.url, keys=[signer]), record)
        market = there.market("ETH")
        market.token.approve(market, 1_000, sender=signer.address)
        position = market.open(10, 1_000, 5_000)  # by the first account: the key's
        assert position.trader == signer.address
        anvil_door.protocol.set_price(2_000)
        assert isinstance(market.execute(position), Opened)
        assert position.healthy_range()[0] > 1_900
        with pytest.raises(Refused) as refused:
            position.remove_margin(500)
        assert type(refused.value) is errors.MarginTooSmall
        assert repr(there) == "<Protocol with ETH>" and repr(market) == repr(anvil_door.market)
        assert repr(market.oracle).startswith("<Oracle at 0x") and repr(market.pool).startswith("<Pool at 0x")
        assert repr(market.operators).startswith("<Operators at 0x")
        assert repr(market.token).startswith("<Token TEST at 0x")


def test_at_the_record_of_a_deployment(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    with AnvilChain() as chain:
        assert main(["deploy", "local", "--rpc", chain.url, "--record", str(record), "--yes"]) == 0
        protocol = Protocol.connect(chain, record)
        market, trader = protocol.market("BTC"), chain.accounts[0]
        provide(market, 500_000)
        quote = market.quote("0.5", reserve=5_000)
        assert quote.refusal is None and 1_000 < quote.smallest_margin < 2_000
        position = market.open("0.5", 2_000, 5_000)
        chain.set_time(chain.timestamp + 60)
        feed = chain.contract(artifacts()["FeedProxyMock"], market.oracle.feeds[0].contract.address)
        feed.send.push(60_100 * 10**8, chain.timestamp, chain.timestamp)
        assert isinstance(market.execute(position), Opened)
        assert position.healthy_range()[0] > 50_000
        assert market.operators is not None and market.operators.permit(
            trader, market, trader, [], expiry=0, deadline=0
        )


def test_addresses_that_are_missing(door: Door) -> None:
    chain, parts = door.protocol.chain, addresses_of(door.market)["markets"]["ETH"]
    with pytest.raises(ValueError, match="names no markets: is the deployment complete"):
        Protocol.connect(chain, {"markets": {}})
    with pytest.raises(ValueError, match="The addresses of market ETH lack its oracle"):
        Protocol.connect(chain, {"markets": {"ETH": {"market": parts["market"]}}})
    bare = Protocol.connect(
        chain, {"markets": {"ETH": {"market": parts["market"], "oracle": parts["oracle"]}}}
    ).market()
    position = bare.position(door.request().address)
    door.protocol.set_price(2_000)
    with pytest.raises(LookupError, match=r"The feeds of <Oracle at .* are not known, .*: pass proof="):
        bare.execute(position)
    proof = Feed(chain, parts["feeds"][0]).round(1, 3)
    assert proof is not None
    bare.execute(position, proof=proof.id.to_bytes(32, "big"))
    with pytest.raises(LookupError, match="No lens is known"):
        position.healthy_range()
    with pytest.raises(
        LookupError, match=r"What <Market ETH .* was created from is not known: name factory and config"
    ):
        bare.need_origin()


def test_markets_by_name() -> None:
    protocol = Protocol.local(prices={"ETH": 2_000, "BTC": 60_000})
    assert protocol.market("BTC").name == "BTC"
    with pytest.raises(LookupError, match="There is no market DOGE: name one of ETH, BTC"):
        protocol.market("DOGE")
    with pytest.raises(LookupError, match="There is more than one market: name one of ETH, BTC"):
        protocol.market()
    protocol.set_price(61_000, "BTC")
    assert [market.oracle.latest().price for market in protocol.markets.values()] == [2_000, 61_000]
    oracle = protocol.market("ETH").oracle
    assert (oracle.heartbeat, oracle.deviation) == (3_600, Decimal("0.005"))
    assert (oracle.base, oracle.quote) == ("ETH", "USD")
    with pytest.raises(ValueError, match="this feed cannot move in small steps"):
        protocol.set_price(0, "ETH")


def test_proof_with_a_second_leg(door: Door) -> None:
    deployment = Deployment(door.protocol.chain)
    feeds = [deployment.deploy("FeedProxyMock", 8) for _ in range(2)]
    for _ in range(2):
        compose(door, feeds, 2_000)
    primary, leg = (feed.address for feed in feeds)
    composed = {"leg": source(leg), "composition": Composition.DIVIDE, "quote": text32("USDC")}
    contract = deployment.deploy("Oracle", OracleTerms().encoded(primary, 8) | composed)
    oracle = Oracle(door.protocol.chain, contract.address, [primary, leg])
    assert (oracle.quote, oracle.latest().price) == ("USDC", 2_000)
    after = door.protocol.chain.timestamp
    for price in (2_010, 2_020):
        compose(door, feeds, price)
    door.protocol.wait(1)
    proof = oracle.prove(lambda proof: oracle.contract.call.firstAfter(1, after, proof))
    assert contract.call.firstAfter(1, after, proof)[0] == 2_010 * E18


def compose(door: Door, feeds: list[Any], price: int) -> None:
    """The leg says 1, a minute later the primary its price."""
    for feed, answer in zip(reversed(feeds), (1, price), strict=True):
        door.protocol.wait(60)
        now = door.protocol.chain.timestamp
        feed.send.push(answer * 10**8, now, now)
