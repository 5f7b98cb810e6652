"""A keeper's work in one transaction: prices of Pyth proven, feeds updated, orders executed, pay handed on."""

from __future__ import annotations

from typing import Any

import pytest

from bulkhead.build import artifacts
from bulkhead.chain import LocalChain, Receipt, Revert, RevmChain
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.model.oracles.source import Kind
from bulkhead.protocol import OracleTerms
from bulkhead.protocol.config import source
from tests.world import ONE, PRICE, World

FEE = 3
ETH = b"\xee" * 32
GIFT = 10**6  # native, to spare


class PullWorld(World):
    """The world with a market whose primary is a price of Pyth, checked by two feeds, and a keeper's contract."""

    def __init__(self, chain: LocalChain | None = None) -> None:
        super().__init__(chain or RevmChain())
        deploy = self.deployment.deploy
        self.pyth = deploy("MockPyth", 60, FEE)
        self.feeds = [self.feed.proxy, deploy("FeedProxyMock", 8)]
        self.upkeep = deploy("Upkeep")
        for _ in range(2):
            self.publish(PRICE)
        self.pyth.send.updatePriceFeeds([self.update], value=FEE)
        settings = OracleTerms(heartbeat=10).encoded(self.pyth.address, 8)
        settings["primary"] |= {"kind": Kind.PYTH, "id": ETH, "confidence": 10**7}
        settings |= {"validators": [source(feed.address) for feed in self.feeds], "spread": ONE // 100, "quorum": 1}
        self.pull = self.deployment.perpetual_market(self.token, deploy("Oracle", settings))
        for account in (self.trader, self.provider):
            for spender in (self.pull.market, self.pull.pool):
                self.token.send.approve(spender.address, 2**256 - 1, sender=account)
        self.pull.pool.send.deposit(1_000_000 * self.unit, self.provider, sender=self.provider)

    def publish(self, price: int) -> None:
        """A minute later every feed speaks, and Pyth off chain; a second on."""
        self.wait(60)
        now = self.chain.timestamp
        for feed in self.feeds:
            feed.send.push(price // 10**10, now, now)
        self.update = bytes(self.pyth.call.createPriceFeedUpdateData(ETH, price // 10**10, 0, -8, 0, 0, now, now - 61))
        self.wait(1)

    def rounds(self) -> bytes:
        """The proof beside Pyth's."""
        return encode_proof(0, tuple(int(feed.call.latestRoundData()[0]) for feed in self.feeds))

    def proving(self, position: str) -> tuple[str, int, bytes]:
        """A step that proves the price of an order."""
        after = self.pull.market.call.orderOf(position).requestedAt + self.pull.config["delay"]
        data = self.pull.oracle.encode.prove(0, after + 1, [self.update])
        return self.pull.oracle.address, FEE, data

    def executing(self, position: str) -> tuple[str, int, bytes]:
        """A step that executes it."""
        return self.pull.market.address, 0, self.pull.market.encode.execute([position], self.rounds())

    def run(self, *steps: tuple[str, int, bytes], value: int = GIFT) -> Receipt:
        """All steps as the keeper."""
        return self.upkeep.send.run(list(steps), [self.token.address], sender=self.keeper, value=value)


@pytest.fixture
def world() -> PullWorld:
    return PullWorld()


def pending(world: PullWorld, count: int = 1) -> list[str]:
    """Orders whose first price is known."""
    leg = world.leg(10 * ONE, 2_000, 5_000)
    found = [world.request(leg, market=world.pull)[0] for _ in range(count)]
    world.publish(PRICE)
    return found


def test_a_price_is_proven_and_its_order_executed_for_the_keepers_pay(world: PullWorld) -> None:
    (position,) = pending(world)
    tokens, native = world.balance(world.keeper), world.chain.balance(world.keeper)
    receipt = world.run(world.proving(position), world.executing(position))
    assert len(receipt.events_of("Opened")) == 1 and not receipt.events_of("StepFailed")
    assert world.balance(world.keeper) - tokens >= world.unit  # the floor of a keeper's fee
    assert native - world.chain.balance(world.keeper) == FEE
    assert world.chain.balance(world.pyth.address) - 2 * FEE == 0
    assert world.balance(world.upkeep.address) == world.chain.balance(world.upkeep.address) == 0


def test_without_the_proof_in_the_same_transaction_nothing_is_executed(world: PullWorld) -> None:
    (position,) = pending(world)
    world.run(world.proving(position))
    failed = world.run(world.executing(position)).event("StepFailed")
    assert Revert(failed.args.reason, world.chain.registry).name == "ProofInvalid"


def test_a_step_that_fails_stops_no_other(world: PullWorld) -> None:
    first, second, third = pending(world, 3)
    steps = [world.proving(first), world.executing(first), world.executing(first), world.executing(second)]
    steps += [(world.pull.oracle.address, 0, world.pull.oracle.encode.checkOutage()), world.executing(third)]
    receipt = world.run(*steps)
    assert {event.args.position for event in receipt.events_of("Opened")} == {first, second, third}
    failed = receipt.event("StepFailed")
    assert failed.args.step == 2
    assert Revert(failed.args.reason, world.chain.registry).name == "NoOrder"


def test_results_say_what_came_back(world: PullWorld) -> None:
    (position,) = pending(world)
    steps = [world.proving(position), (world.pull.market.address, 0, b"\1\2\3\4")]
    proven, refused = world.upkeep.call.run(steps, [], value=FEE)
    index, _ = world.pull.oracle.abi.function("prove").decode(proven.answer)
    assert (proven.done, index, refused.done) == (True, PRICE, False)


def test_too_little_native_value_fails_the_step_only(world: PullWorld) -> None:
    (position,) = pending(world)
    receipt = world.run(world.proving(position), world.executing(position), value=FEE - 1)
    assert [event.args.step for event in receipt.events_of("StepFailed")] == [0, 1]


def test_what_somebody_left_goes_to_who_calls_next(world: PullWorld) -> None:
    world.token.send.transfer(world.upkeep.address, 7, sender=world.stranger)
    before = world.balance(world.keeper)
    world.run((world.pull.oracle.address, 0, world.pull.oracle.encode.checkOutage()))
    assert world.balance(world.keeper) - before == 7


def test_who_was_approved_by_anybody_takes_no_pay(world: PullWorld) -> None:
    """REQ-25: pay is handed on before another target is called."""
    thief = world.deployment.deploy("AttackerMock")
    world.run((world.token.address, 0, world.token.encode.approve(thief.address, 2**256 - 1)))
    thief.send.plan([(world.token.address, world.token.encode.transferFrom(world.upkeep.address, thief.address, 1))])
    (position,) = pending(world)
    before = world.balance(world.keeper)
    receipt = world.run(
        world.proving(position), world.executing(position), (thief.address, 0, thief.encode.onTransfer())
    )
    assert len(receipt.events_of("Opened")) == 1 and not receipt.events_of("StepFailed")
    assert world.balance(thief.address) == 0 and world.balance(world.keeper) - before >= world.unit


def test_wei_that_is_forced_in_stops_no_keeper(world: PullWorld) -> None:
    """REQ-25: a contract that takes no native value gets none, and who sent some gets back exactly the rest of it."""
    world.chain.set_balance(world.upkeep.address, 7)
    keeper = world.deployment.deploy("AttackerMock")
    step = world.pull.oracle.address, 0, world.pull.oracle.encode.checkOutage()
    keeper.send.run([(world.upkeep.address, world.upkeep.encode.run([step], [world.token.address]))])
    (position,) = pending(world)
    native = world.chain.balance(world.keeper)
    world.run(world.proving(position))
    assert native - world.chain.balance(world.keeper) == FEE
    assert world.chain.balance(world.upkeep.address) == 7


def test_nobody_takes_the_pay_from_within(world: PullWorld) -> None:
    """A target that calls back finds the door shut."""
    inner = world.upkeep.encode.run([], [world.token.address])
    failed = world.run((world.upkeep.address, 0, inner)).event("StepFailed")
    assert Revert(failed.args.reason, world.chain.registry).name == "ReentrancyGuardReentrantCall"


def test_a_caller_that_takes_no_native_value_gets_a_reason(world: PullWorld) -> None:
    other = world.deployment.deploy("Upkeep")
    failed = world.run((other.address, 1, other.encode.run([], []))).event("StepFailed")
    refused = Revert(failed.args.reason, world.chain.registry)
    assert refused.name == "FailedCall" and "native" in str(refused)


def test_it_has_nothing_that_only_some_may_do() -> None:
    writes: list[Any] = [e for e in artifacts()["Upkeep"].abi if e["type"] == "function"]
    assert [entry["name"] for entry in writes] == ["run"]
