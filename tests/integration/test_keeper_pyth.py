"""A keeper of a market whose primary is a price of Pyth: it fetches updates, and brings them along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from bulkhead.build import artifacts
from bulkhead.chain import AnvilChain
from bulkhead.keeper import Done, Job, Keeper, Settings
from bulkhead.keeper.policy import GRID_POINT
from bulkhead.keeper.pulled import Pulled
from bulkhead.protocol import Market, Oracle, Status
from bulkhead.protocol.market import Origin
from tests.unit.keeper.volatile import STEEP
from tests.unit.periphery.test_upkeep import ETH, FEE, PullWorld
from tests.world import ONE, PRICE


class Archive:
    """Updates of Pyth as they were published, and a keeper that fetches them."""

    def __init__(self, chain: AnvilChain) -> None:
        self.published: list[tuple[int, bytes]] = []
        self.world = PullWorld(chain)
        pull = self.world.pull
        origin = Origin(self.world.deployment.factory.address, pull.config)
        self.market = Market(chain, pull.market.address, Oracle(chain, pull.oracle.address), origin=origin)
        self.told: list[tuple[str, dict[str, Any]]] = []

    def publish(self, price: int = PRICE) -> None:
        self.world.publish(price)
        self.published.append((self.world.chain.timestamp - 1, self.world.update))

    def updates(self, price_id: bytes, since: int) -> Sequence[bytes]:
        assert price_id == ETH
        return [update for time, update in self.published if time >= since][:1]

    def keeper(self, market: Market | None = None, keys: Sequence[str] = ("0x" + "11" * 32,)) -> Keeper:
        """The last of its keys has ether, and no other."""
        feeds = [feed.address for feed in self.world.feeds]
        pulled = Pulled(self.world.upkeep.address, self.world.pyth.address, self.updates, {0: ETH}, feeds)
        settings, note = Settings(coin=10**6), self.told.append  # whatever tip the node suggests
        keeper = Keeper(
            market or self.market,
            keys,
            settings,
            pulled=pulled,
            log=lambda event, facts: note((event, facts)),
        )
        self.world.chain.set_balance(keeper.senders[-1].address, 10**18)
        return keeper


@pytest.fixture(scope="module")
def deployed() -> Iterator[Archive]:
    with AnvilChain() as chain:
        yield Archive(chain)


@pytest.fixture
def archive(deployed: Archive) -> Iterator[Archive]:
    deployed.told.clear()
    deployed.published.clear()
    with deployed.world.chain.isolated():
        yield deployed


def executed(work: list[Done]) -> set[str]:
    return {target for one in work if one.intent.job is Job.EXECUTE for target in one.done}


def test_orders_are_executed_with_the_first_update_after_them(archive: Archive) -> None:
    world, keeper = archive.world, archive.keeper()
    leg = world.leg(10 * ONE, 2_000, 5_000)
    first = world.request(leg, market=world.pull)[0]
    assert executed(keeper.once()) == set()
    archive.publish()
    second = world.request(leg, market=world.pull)[0]
    archive.publish(PRICE * 101 // 100)
    work = keeper.once()
    assert executed(work) == {first, second}
    opened = world.pull.market.events("Opened")
    assert [event.args.index for event in opened] == [PRICE, PRICE * 101 // 100]
    paid = sum(one.paid for one in work)
    assert world.balance(keeper.sender.address) == paid >= 2 * world.unit
    assert 10**18 - world.chain.balance(keeper.sender.address) == sum(one.wei for one in work)
    assert keeper.ledger.committed(world.chain.timestamp) == sum(one.wei for one in work) > 2 * FEE


def test_pay_is_what_upkeep_hands_on_to_the_key_that_sent(archive: Archive) -> None:
    """Not to the first key: it has no ether here, and so sends nothing."""
    world, keeper = archive.world, archive.keeper(keys=["0x" + digit * 64 for digit in "12"])
    world.request(world.leg(10 * ONE, 2_000, 5_000), market=world.pull)
    archive.publish()
    (work,) = keeper.once()
    poor, rich = (world.balance(sender.address) for sender in keeper.senders)
    assert poor == 0 < rich == work.paid and work.wei == 10**18 - world.chain.balance(keeper.senders[1].address)
    assert not keeper.ledger.busy(world.chain.timestamp)  # nor is it taken for a loss


def test_an_exit_is_paid_with_its_update(archive: Archive) -> None:
    world, keeper = archive.world, archive.keeper()
    world.request(world.leg(10 * ONE, 2_000, 5_000), market=world.pull)
    archive.publish()
    keeper.once()
    world.pull.pool.send.requestRedeem(1_000 * 10**12, 0, sender=world.provider)
    archive.publish()
    assert [one.intent.job for one in keeper.once() if one.done] == [Job.EXIT]
    assert world.pull.pool.call.exitOf(0)[1] == 1


def test_an_order_that_nobody_could_prove_ends(archive: Archive) -> None:
    world, keeper = archive.world, archive.keeper()
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000), market=world.pull)
    world.wait(5_000)
    assert executed(keeper.once()) == {position}
    assert world.pull.market.call.positionOf(position).status == Status.NONE


def test_a_volatility_feed_is_updated_in_one_transaction_with_its_proof(archive: Archive) -> None:
    world = archive.world
    archive.publish()
    world.pyth.send.updatePriceFeeds([world.update], value=FEE)
    made = world.deployment.perpetual_market(world.token, world.pull.oracle, margin=STEEP, label="volatile")
    origin = Origin(world.deployment.factory.address, made.config)
    market = Market(world.chain, made.market.address, Oracle(world.chain, made.oracle.address), origin=origin)
    keeper = archive.keeper(market)
    assert keeper.terms.feed is not None
    feed = keeper.terms.feed.volatility
    world.chain.set_time(feed.contract.call.due().time)
    archive.publish(PRICE * 102 // 100)
    (work,) = (one for one in keeper.once() if one.intent.job is Job.VOLATILITY)
    assert work.done == (GRID_POINT,) and not feed.due().update
    assert feed.contract.events("Updated")[0].args.index == PRICE * 102 // 100
    failed = world.chain.contract(artifacts()["Upkeep"], world.upkeep.address).events("StepFailed")
    assert not failed
