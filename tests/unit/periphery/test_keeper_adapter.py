"""The market's upkeep in the two calls of a keeper network: it finds what there is to do, and can do nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_abi import decode, encode
from eth_utils import to_checksum_address
from web3.utils import get_create_address

from bulkhead.build import artifacts
from bulkhead.chain import Contract, Receipt, Revert, RevmChain
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.model.oracles.oracle_settings import Composition
from bulkhead.protocol import MarketContracts, OracleTerms
from bulkhead.protocol.config import source, text32
from tests.unit.options.options_world import DAY, EXPIRY, WEEK, ready
from tests.world import HEARTBEAT, ONE, PRICE, World

NOBODY = "0x" + "00" * 20


class KeptWorld(World):
    """The world with an adapter on its perpetual market; `three` is a market whose primary two feeds check."""

    def __init__(self) -> None:
        super().__init__(RevmChain())
        self.receiver = self.chain.new_account("receiver")
        self.adapter = self.adapt(self.perpetual, [self.feed.proxy])
        self.feeds = [self.feed.proxy, *(self.deployment.deploy("FeedProxyMock", 8) for _ in range(2))]
        self.speak(PRICE)
        self.three = self.checked(self.feeds[1:])

    def checked(self, validators: list[Contract], **settings: Any) -> MarketContracts:
        """A market whose primary these feeds check."""
        checks = {"validators": [source(feed.address) for feed in validators], "spread": ONE // 100, "quorum": 1}
        terms = OracleTerms().encoded(self.feed.proxy.address, 8) | checks | settings
        market = self.deployment.perpetual_market(self.token, self.deployment.deploy("Oracle", terms))
        for account in (self.trader, self.provider):
            for spender in (market.market, market.pool):
                self.token.send.approve(spender.address, 2**256 - 1, sender=account)
        market.pool.send.deposit(1_000_000 * self.unit, self.provider, sender=self.provider)
        return market

    def adapt(self, market: Any, feeds: list[Contract]) -> Contract:
        """An adapter of a market."""
        factory, listed = self.deployment.factory, [feed.address for feed in feeds]
        return self.deployment.deploy("KeeperAdapter", factory.address, market.config, listed, self.receiver)

    def speak(self, price: int) -> None:
        """A minute later every feed speaks."""
        self.wait(60)
        now = self.chain.timestamp
        for feed in self.feeds:
            feed.send.push(price // 10**10, now, now)

    def say(self, feed: Contract, price: int) -> None:
        """One feed speaks now."""
        feed.send.push(price // 10**10, self.chain.timestamp, self.chain.timestamp)

    def check(self, *positions: str, first: int = 0, count: int = 0, adapter: Contract | None = None) -> Any:
        """What there is to do: whether, what, and as the network would send it."""
        adapter = adapter or self.adapter
        needed, data = adapter.call.checkUpkeep(encoded("Check", (list(positions), first, count)))
        return needed, *decoded(bytes(data)), bytes(data)

    def perform(self, data: bytes, sender: str = "", adapter: Contract | None = None) -> Receipt:
        """As anybody."""
        return (adapter or self.adapter).send.performUpkeep(data, sender=sender or self.stranger)


def encoded(kind: str, value: Any) -> bytes:
    """A struct as the adapter takes it."""
    kinds = {"Check": "(address[],uint256,uint256)", "Work": "((address,bytes)[],address[])"}
    return encode([kinds[kind]], [value])


def decoded(data: bytes) -> tuple[dict[str, bytes], list[str]]:
    """Executions with their proofs, and liquidations."""
    ((executions, liquidations),) = decode(["((address,bytes)[],address[])"], data)
    return {to_checksum_address(at): proof for at, proof in executions}, [
        to_checksum_address(at) for at in liquidations
    ]


@pytest.fixture(scope="module")
def deployed() -> KeptWorld:
    return KeptWorld()


@pytest.fixture
def world(deployed: KeptWorld) -> Iterator[KeptWorld]:
    with deployed.chain.isolated():
        yield deployed


def test_the_vaults_of_a_market_are_numbered(world: KeptWorld) -> None:
    made = [world.request(world.leg(ONE, 250, 300))[0] for _ in range(130)]
    assert [world.adapter.call.vaultOf(number) for number in range(1, 131)] == made  # past 127 rlp takes two bytes
    for number in (0, 255, 256, 65_535, 65_536, 2**64 - 2):
        assert world.adapter.call.vaultOf(number) == get_create_address(world.perpetual.market.address, number)


def test_an_order_is_found_with_its_proof_once_its_price_is_there(world: KeptWorld) -> None:
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000))
    assert world.check(position)[0] is False
    world.speak(PRICE)
    proof = world.proof()
    world.speak(PRICE + ONE)  # a later round is not the first
    needed, executions, liquidations, data = world.check(first=1, count=3)
    assert (needed, executions, liquidations) == (True, {position: proof}, [])
    receipt = world.perform(data)
    assert len(receipt.events_of("Opened")) == 1
    assert world.check(position)[0] is False


def test_a_price_that_validators_check_is_proven_too(world: KeptWorld) -> None:
    adapter = world.adapt(world.three, world.feeds)
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000), market=world.three)
    world.speak(PRICE)
    world.wait(1)  # in the second of the price itself a validator may still speak
    first, *others = (int(feed.call.latestRoundData()[0]) for feed in world.feeds)
    proof = encode_proof(first, tuple(others))
    _, executions, _, data = world.check(position, adapter=adapter)
    assert executions == {position: proof}
    assert world.perform(data, adapter=adapter).events_of("Opened")


def test_a_price_that_was_seen_before_it_came_on_chain_is_not_the_first(world: KeptWorld) -> None:
    """Nodes saw it in the second of the deadline; it came on chain half a minute later."""
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000))
    due = world.chain.timestamp + world.perpetual.config["delay"]
    world.wait(world.perpetual.config["delay"] + 30)
    world.feed.proxy.send.push(PRICE // 10**10, due, world.chain.timestamp)
    assert world.check(position)[0] is False
    world.speak(PRICE)
    _, executions, _, data = world.check(position)
    assert executions == {position: world.proof()}
    assert world.perform(data).events_of("Opened")


@pytest.mark.parametrize("silent", ["dead", "not yet"])
def test_a_validator_that_says_nothing_is_shown_as_silent(world: KeptWorld, silent: str) -> None:
    """What is left of the quorum denies the price, so that the order is void, and not waiting for ever."""
    adapter = world.adapt(world.three, world.feeds)
    primary, quiet, denies = world.feeds
    quiet.send.fail(1) if silent == "dead" else quiet.send.newPhase()
    world.three.oracle.send.checkOutage()  # which remembers the phase
    world.wait(60)
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000), market=world.three)
    world.wait(60)
    world.say(primary, PRICE)
    world.say(denies, PRICE * 11 // 10)
    world.wait(1)
    if silent == "not yet":
        world.say(quiet, PRICE)
    rounds = [int(feed.call.latestRoundData()[0]) for feed in (primary, denies)]
    _, executions, _, data = world.check(position, adapter=adapter)
    assert executions == {position: encode_proof(rounds[0], (0 if silent == "dead" else 2 << 64 | 1, rounds[1]))}
    assert world.perform(data, adapter=adapter).events_of("OrderVoided")


def test_a_price_composed_of_two_feeds_is_proven_too(world: KeptWorld) -> None:
    """The second leg comes after the validators, and has a phase of its own."""
    leg = world.deployment.deploy("FeedProxyMock", 8)
    leg.send.newPhase()
    world.say(leg, ONE)
    world.say(leg, ONE)
    parts = {"quote": text32("USDC"), "leg": source(leg.address), "composition": Composition.DIVIDE}
    market = world.checked(world.feeds[1:], **parts)
    adapter = world.adapt(market, [*world.feeds, leg])
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000), market=market)
    world.speak(PRICE)
    world.wait(1)
    first, *others = (int(feed.call.latestRoundData()[0]) for feed in (*world.feeds, leg))
    _, executions, _, data = world.check(position, adapter=adapter)
    assert others[-1] == 2 << 64 | 2 and executions == {position: encode_proof(first, tuple(others))}
    assert world.perform(data, adapter=adapter).events_of("Opened")


def test_with_a_wrong_feed_no_proof_is_found_and_no_wrong_one_sent(world: KeptWorld) -> None:
    """Its rounds have other numbers. The order is found once its time is over, as where nobody can prove it."""
    wrong = world.adapt(world.perpetual, world.feeds[1:2])
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000))
    world.speak(PRICE)
    assert list(world.check(position)[1]) == [position]
    assert world.check(position, adapter=wrong)[0] is False
    world.wait(world.perpetual.config["timeToLive"] + 60)
    _, executions, _, data = world.check(position, adapter=wrong)
    assert executions == {position: b""}
    assert world.perform(data, adapter=wrong).events_of("OrderVoided")


def test_an_order_that_nobody_can_prove_is_void_once_its_time_is_over(world: KeptWorld) -> None:
    """Also where the adapter knows of no feeds."""
    blind = world.adapt(world.perpetual, [])
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000))
    world.wait(world.perpetual.config["timeToLive"] + 60)
    for adapter in (world.adapter, blind):
        _, executions, _, data = world.check(position, adapter=adapter)
        assert executions == {position: b""}
    assert world.perform(data, adapter=blind).events_of("OrderVoided")


def test_what_is_liquidatable_is_found_exactly(world: KeptWorld) -> None:
    sick, well = world.open(margin=1_000), world.open(margin=2_000)
    assert world.check(sick, well)[0] is False
    world.price(1_930 * ONE)
    needed, executions, liquidations, data = world.check(first=1, count=2)
    assert (needed, executions, liquidations) == (True, {}, [sick])
    receipt = world.perform(data)
    assert [event.args.position for event in receipt.events_of("Exited")] == [sick]
    told = receipt.event("Performed")
    assert (told.args.executed, told.args.liquidated) == (0, 1)


def test_a_close_of_its_own_goes_before_the_liquidation(world: KeptWorld) -> None:
    position = world.open(margin=1_000)
    world.perpetual.market.send.requestClose(position, 10 * ONE, 0, 0, 10**18, sender=world.trader)
    world.price(1_930 * ONE)
    _, executions, liquidations, data = world.check(position)
    assert list(executions) == [position] and liquidations == []
    exited = world.perform(data).event("Exited")
    assert exited.args.kind == 0


def test_without_a_price_nothing_is_liquidated(world: KeptWorld) -> None:
    position = world.open(margin=1_000)
    world.price(1_930 * ONE)
    world.wait(HEARTBEAT + 1)
    assert world.check(position)[0] is False


def test_a_batch_is_bounded(world: KeptWorld) -> None:
    batch = int(world.adapter.call.BATCH())
    legs = [world.leg(ONE, 250, 300)] * (batch + 2)
    made = world.request(*legs)
    world.speak(PRICE)
    _, executions, _, data = world.check(first=1, count=10**6)
    assert list(executions) == made[:batch]
    receipt = world.perform(data)
    assert len(receipt.events_of("Opened")) == batch and receipt.gas_used < 5_000_000
    assert list(world.check(first=1, count=len(made))[1]) == made[batch:]


def test_both_lists_of_a_batch_are_bounded(world: KeptWorld) -> None:
    """And what one performance leaves the next one takes."""
    batch = int(world.adapter.call.BATCH())
    sick = [world.open(size=ONE, margin=115, reserve=300) for _ in range(batch + 2)]
    made = world.request(*[world.leg(ONE, 250, 300)] * (batch + 2))
    world.price(1_920 * ONE)
    for some in (slice(batch), slice(batch, None)):
        _, executions, liquidations, data = world.check(first=1, count=10**6)
        assert (list(executions), liquidations) == (made[some], sick[some])
        told = world.perform(data).event("Performed")
        assert (told.args.executed, told.args.liquidated) == (len(made[some]), len(sick[some]))
    assert world.check(first=1, count=10**6)[0] is False


def test_where_nothing_is_named_there_is_nothing_to_do(world: KeptWorld) -> None:
    world.open(margin=1_000)
    world.price(1_930 * ONE)
    assert world.check(count=0)[:3] == (False, {}, [])


def test_what_has_no_mark_for_now_hides_nobody(world: KeptWorld) -> None:
    """An option between its expiry and its settlement price cannot be judged; one of the next week can."""
    options = ready()
    feeds, receiver = [options.primary.mock.address], options.keeper
    factory = options.deployment.factory.address
    adapter = options.deployment.deploy("KeeperAdapter", factory, options.contracts.config, feeds, receiver)
    ends, lives = (options.series(False, 2_000, expiry) for expiry in (EXPIRY, EXPIRY + WEEK))
    positions = options.open(*(options.position(series, -10, 4_800, 1_400) for series in (ends, lives)))
    options.go(EXPIRY - DAY)
    options.walk(2_500)
    options.go(EXPIRY + 60)
    with pytest.raises(Revert) as refused:
        options.market.call.health(positions[0], 2_500 * ONE, options.now)
    assert refused.value.name == "InSettlement"
    _, executions, liquidations, data = world.check(*positions, adapter=adapter)
    assert (executions, liquidations) == ({}, positions[1:])
    assert adapter.send.performUpkeep(data, sender=options.other).event("Performed").args.liquidated == 1


@pytest.mark.parametrize("sender", ["trader", "other", "provider", "keeper", "stranger", "receiver"])
def test_whoever_calls_the_fees_are_the_receiver_s(world: KeptWorld, sender: str) -> None:
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000))
    sick = world.open(margin=1_000)
    world.perform(world.check(position)[3], sender=getattr(world, sender))
    before = {name: world.balance(getattr(world, name)) for name in ("keeper", "stranger", "other", "receiver")}
    world.price(1_930 * ONE)
    told = world.perform(world.check(sick)[3], sender=getattr(world, sender)).event("Performed")
    assert told.args.fees >= world.unit  # a keeper's flat fee at least
    after = {name: world.balance(getattr(world, name)) for name in before}
    assert {name: after[name] - before[name] for name in before if after[name] != before[name]} == {
        "receiver": told.args.fees
    }
    assert world.balance(world.adapter.address) == 0


def test_the_same_work_is_not_done_twice(world: KeptWorld) -> None:
    position = world.open(margin=1_000)
    world.price(1_930 * ONE)
    data = world.check(position)[3]
    world.perform(data)
    with pytest.raises(Revert) as refused:
        world.perform(data)
    assert refused.value.name == "NothingDone"


def test_any_data_does_nothing_that_the_market_would_not_let_anybody_do(world: KeptWorld) -> None:
    """Healthy positions, strangers' addresses, wrong proofs, no proofs, the tokens' own contract, and noise."""
    well = world.open(margin=2_000)
    (pending,) = world.request(world.leg(10 * ONE, 2_000, 5_000))
    held = world.balance(well), world.balance(pending), world.balance(world.perpetual.pool.address)
    lies: list[Any] = [
        ([], []),
        ([], [well, pending, NOBODY, world.token.address, well]),
        ([(pending, world.proof())], []),  # a round from before the order
        ([(pending, b"")], [well]),
        ([(well, world.proof()), (NOBODY, b"\1" * 96)], [world.adapter.address]),
    ]
    for lie in lies:
        with pytest.raises(Revert) as refused:
            world.perform(encoded("Work", lie))
        assert refused.value.name == "NothingDone", lie
    for noise in (b"", b"\1\2\3", b"\xff" * 320):
        with pytest.raises(Revert):
            world.perform(noise)
    assert held == (world.balance(well), world.balance(pending), world.balance(world.perpetual.pool.address))


def test_what_is_refused_stops_nothing_else(world: KeptWorld) -> None:
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000))
    world.speak(PRICE)
    proof = world.proof()
    receipt = world.perform(encoded("Work", ([(NOBODY, proof), (position, proof), (position, proof)], [NOBODY])))
    assert len(receipt.events_of("Opened")) == 1
    names = [Revert(e.args.reason, world.chain.registry).name for e in receipt.events_of("StepRefused")]
    assert names == ["UnknownPosition", "NoOrder"]


def test_liquidations_without_a_price_do_not_stop_the_orders(world: KeptWorld) -> None:
    sick = world.open(margin=1_000)
    world.price(1_930 * ONE)
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000))
    world.wait(2 * HEARTBEAT)
    receipt = world.perform(encoded("Work", ([(position, b"")], [sick])))
    assert receipt.events_of("OrderVoided") and not receipt.events_of("Exited")
    refused = receipt.event("StepRefused").args
    assert (refused.position, Revert(refused.reason, world.chain.registry).name) == (NOBODY, "PriceStale")
    told = receipt.event("Performed").args
    assert (told.executed, told.liquidated) == (1, 0)


def test_an_adapter_that_the_token_refuses_to_pay_still_does_the_work(world: KeptWorld) -> None:
    sick = world.open(margin=1_000)
    world.price(1_930 * ONE)
    world.token.send.setBlocked(world.adapter.address, True)
    receipt = world.perform(world.check(sick)[3])
    assert [event.args.position for event in receipt.events_of("Exited")] == [sick]
    told = receipt.event("Performed").args
    assert (told.liquidated, told.fees) == (1, 0) and world.balance(world.adapter.address) == 0


def test_a_receiver_that_the_token_refuses_stops_no_upkeep(world: KeptWorld) -> None:
    first, second = world.open(margin=1_000), world.open(margin=1_000)
    world.price(1_930 * ONE)
    world.token.send.setBlocked(world.receiver, True)
    told = world.perform(world.check(first)[3]).event("Performed")
    waiting = world.balance(world.adapter.address)
    assert told.args.fees == 0 < waiting
    world.token.send.setBlocked(world.receiver, False)
    world.perform(world.check(second)[3])
    assert world.balance(world.receiver) > waiting and world.balance(world.adapter.address) == 0


def test_only_a_market_of_the_factory_and_a_receiver_will_do(world: KeptWorld) -> None:
    factory, config = world.deployment.factory.address, world.perpetual.config
    for changed, receiver, name in (
        (config | {"openFee": config["openFee"] + 1}, world.receiver, "UnknownMarket"),
        (config, NOBODY, "NoReceiver"),
    ):
        with pytest.raises(Revert) as refused:
            world.deployment.deploy("KeeperAdapter", factory, changed, [], receiver)
        assert refused.value.name == name


def test_it_has_one_call_that_changes_anything() -> None:
    entries = [e for e in artifacts()["KeeperAdapter"].abi if e["type"] == "function"]
    assert [e["name"] for e in entries if e["stateMutability"] not in ("view", "pure")] == ["performUpkeep"]
    assert not [e for e in entries if e["stateMutability"] == "payable"]
