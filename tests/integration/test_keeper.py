"""Keepers on a real node: orders, a crash, everything executed and liquidated, and what they know is what is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account

from bulkhead.build import artifacts
from bulkhead.keeper import Job, Keeper, Settings
from bulkhead.keeper.policy import FIRST_EXIT
from bulkhead.keeper.runner import RETRY
from bulkhead.keeper.turns import LAST
from bulkhead.protocol import Status
from tests.integration.keeper_node import WORK, Node, done

KEYS = tuple("0x" + digit * 64 for digit in "45")
#: Of keepers that know each other.
FLEET = replace(WORK, fleet=frozenset(Account.from_key(key).address for key in KEYS))


def test_thirty_positions_through_a_crash(node: Node, tmp_path: Path) -> None:
    keeper = node.keeper(folder=tmp_path)
    positions = node.open(30)
    assert keeper.once() == []
    node.protocol.set_price(2_000)
    work = keeper.once()
    assert done(work, Job.EXECUTE) == {p.address for p in positions}
    assert all(p.status is Status.OPEN for p in positions)

    node.protocol.set_price(1_450)
    work = keeper.once()
    longs = {p.address for p in positions if p.address in done(work, Job.LIQUIDATE)}
    assert longs == {p.address for n, p in enumerate(positions) if n % 2}
    assert done(work, Job.CLOSE_AT_RESERVE) == {p.address for n, p in enumerate(positions) if not n % 2}
    assert all(p.status is Status.NONE for p in positions)
    assert not [facts for event, facts in node.told if event == "mined" and facts["missed"]]

    paid = sum(one.paid for one in work)
    assert paid > 0 and keeper.once() == []
    assert keeper.follower.known() == node.fresh() == {}


def test_a_dry_run_says_what_it_would_do_and_sends_nothing(node: Node) -> None:
    position = node.open(1)[0]
    node.protocol.set_price(2_000)
    keeper = node.keeper(dry_run=True)
    assert keeper.once() == []
    assert [facts["targets"] for event, facts in node.told if event == "would send"] == [(position.address,)]
    assert position.status is Status.PENDING and node.chain.nonce(keeper.sender.address) == 0


def test_what_does_not_pay_for_its_gas_is_not_sent(node: Node) -> None:
    node.open(1)
    node.protocol.set_price(2_000)
    assert node.keeper(replace(WORK, least_profit=10**6 + 10**6)).once() == []  # more than the floor of the fee
    keeper = node.keeper(Settings(fee_cap=10**10))
    for base, works in ((10**10, False), (0, True)):
        node.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(base))
        node.chain.mine(seconds=RETRY)
        assert bool(keeper.once()) == works
    assert {event for event, _ in node.told} == {"too dear", "sent", "mined"}


class Broken:
    """Transactions that pass when they are tried out, and fail when they are mined."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __enter__(self) -> None:
        self.node.chain.automine(False)

    def mine(self) -> None:
        """Every call to the market fails in this block."""
        chain, market = self.node.chain, self.node.market.address
        code = chain.code(market)
        chain.set_code(market, bytes.fromhex("5a5b5a6000fd"))
        chain.mine()
        chain.set_code(market, code)

    def __exit__(self, *_: object) -> None:
        self.node.chain.automine(True)


def test_a_budget_holds_when_every_transaction_reverts_and_nobody_costs_twice(node: Node) -> None:
    node.open(20)
    node.protocol.set_price(2_000)
    settings = replace(WORK, daily_budget=4 * 10**15, in_flight=5)
    keeper = node.keeper(settings)
    broken, missed = Broken(node), []
    with broken:
        for _ in range(12):
            sent, landed = keeper.step()
            missed += [target for one in landed for target in one.missed]
            assert not [one for one in landed if one.done]
            if sent:
                broken.mine()
    spent = 10**18 - node.chain.balance(keeper.sender.address)
    assert 0 < spent == keeper.ledger.committed(node.chain.timestamp) <= settings.daily_budget
    assert len(missed) == len(set(missed)) > 5
    assert "over budget" in {event for event, _ in node.told} or len(missed) == 20


def test_a_price_that_goes_away_is_no_position_s_fault(node: Node) -> None:
    """A round beyond the jump limit comes in front of a liquidation: the next rounds let it go on."""
    position = node.open(2)[1]
    node.protocol.set_price(2_000)
    keeper = node.keeper()
    keeper.once()
    node.protocol.set_price(1_850)
    node.chain.automine(False)
    assert keeper.step()[0] == 1
    feed = node.chain.contract(artifacts()["FeedProxyMock"], node.market.oracle.feeds[0].contract.address)
    now = node.chain.timestamp
    node.in_front(feed.address, feed.encode.push(10**11, now + 1, now + 1))
    node.chain.mine()
    node.chain.automine(True)
    (failed,) = keeper.once()
    assert failed.missed == (position.address,) and failed.paid == 0 < failed.wei
    assert position.address not in keeper.ledger.busy(node.chain.timestamp)
    node.protocol.wait(60)
    now = node.chain.timestamp
    for answer in (185_000_000_000, 185_000_000_000):
        feed.send.push(answer, now, now)
    assert done(keeper.once(), Job.LIQUIDATE) == {position.address}


def test_a_feed_that_dies_is_no_order_s_fault_and_no_exit_s(node: Node) -> None:
    """It answers nothing in the block in which an order and an exit would have been carried out; then it does again."""
    node.open(1)
    node.protocol.set_price(2_000)
    keeper = node.keeper()
    keeper.once()
    position = node.open(1)[0]
    node.market.pool.request_redeem(1_000, sender=node.protocol.provider)
    node.protocol.set_price(2_000)
    node.chain.automine(False)
    assert keeper.step()[0] == 2
    feed = node.market.oracle.feeds[0].contract.address
    code = node.chain.code(feed)
    node.chain.set_code(feed, bytes.fromhex("5f5ffd"))
    node.chain.mine(2)  # what a block was is fixed when there is a next one
    node.chain.set_code(feed, code)
    node.chain.automine(True)
    work = keeper.once()
    assert [one.paid for one in work[:2]] == [0, 0] and {target for one in work[:2] for target in one.missed} == {
        position.address,
        FIRST_EXIT,
    }
    assert done(work, Job.EXECUTE) == {position.address} and done(work, Job.EXIT) == {FIRST_EXIT}


def test_a_trader_who_dodges_costs_gas_once(node: Node) -> None:
    """Margin is added in front of the liquidation. Later it falls due again: this keeper leaves it to another."""
    position = node.open(2)[1]
    node.protocol.set_price(2_000)
    keeper = node.keeper()
    keeper.once()
    node.protocol.set_price(1_925)
    node.chain.automine(False)
    assert keeper.step()[0] == 1
    node.in_front(node.market.address, node.market.contract.encode.addMargin(position.address, 20 * 10**6))
    node.chain.mine()
    node.chain.automine(True)
    (dodged,) = keeper.once()
    assert dodged.missed == (position.address,) and dodged.paid == 0 < dodged.wei
    node.protocol.set_price(1_850)
    assert keeper.once() == []
    assert done(node.keeper(key="0x" + "22" * 32).once(), Job.LIQUIDATE) == {position.address}


def test_a_new_day_has_a_new_budget(node: Node) -> None:
    node.open(3)
    node.protocol.set_price(2_000)
    one = node.keeper(replace(WORK, daily_budget=4 * 10**14))
    first = one.once()
    assert len(done(first, Job.EXECUTE)) < 3
    for _ in range(26):
        node.protocol.wait(3_500)
        node.protocol.set_price(2_000)
    assert len(done(one.once(), Job.EXECUTE)) == 1
    assert all(work.wei <= 4 * 10**14 for work in first)


def test_after_a_kill_it_goes_on_with_what_it_has_sent(node: Node, tmp_path: Path) -> None:
    positions = node.open(5)
    node.protocol.set_price(2_000)
    node.chain.automine(False)
    first = node.keeper(folder=tmp_path)
    assert first.step()[0] == 5
    first.close()  # and is never heard of again
    second = node.keeper(folder=tmp_path)
    assert second.step() == (0, [])
    node.chain.mine()
    sent, landed = second.step()
    node.chain.automine(True)
    assert sent == 0 and done(landed, Job.EXECUTE) == {p.address for p in positions}
    assert node.chain.nonce(second.sender.address) == 5
    assert second.follower.known() == node.fresh()


def test_a_restart_goes_on_from_its_checkpoint_and_a_torn_one_begins_anew(node: Node, tmp_path: Path) -> None:
    node.open(4)
    node.protocol.set_price(2_000)
    first = node.keeper(folder=tmp_path)
    first.once()
    first.close()
    (file,) = tmp_path.glob("*.checkpoint")
    whole = file.read_bytes()
    node.open(2)  # meanwhile
    node.protocol.set_price(2_000)
    for content, remembered in ((whole, 4), (whole[: len(whole) // 2], 0)):
        file.write_bytes(content)
        keeper = node.keeper(replace(WORK, jobs=frozenset()), folder=tmp_path)
        assert len(keeper.follower.known()) == remembered
        keeper.step()
        assert keeper.follower.known() == node.fresh() and len(node.fresh()) == 6
        keeper.close()


def test_what_waits_is_sent_again_with_its_nonce_and_for_more(node: Node) -> None:
    position = node.open(1)[0]
    node.protocol.set_price(2_000)
    node.chain.automine(False)
    keeper = node.keeper()
    keeper.step()
    (flight,) = keeper.ledger.flights()
    node.chain.rpc("anvil_dropTransaction", flight.hashes[0])  # a node that forgets
    node.protocol.wait(WORK.patience)
    keeper.step()
    (again,) = keeper.ledger.flights()
    assert again.nonce == flight.nonce and again.price >= flight.price * 9 // 8 and len(again.hashes) == 2
    node.chain.mine()
    _, landed = keeper.step()
    node.chain.automine(True)
    assert done(landed, Job.EXECUTE) == {position.address} and position.status is Status.OPEN


def test_a_transaction_that_a_node_has_forgotten_keeps_its_nonce(node: Node) -> None:
    first = node.open(1)[0]
    node.protocol.set_price(2_000)
    node.chain.automine(False)
    keeper = node.keeper(replace(WORK, patience=600))
    keeper.step()
    node.chain.rpc("anvil_dropTransaction", keeper.ledger.flights()[0].hashes[0])
    second = node.open(1)[0]
    node.protocol.set_price(2_000)
    keeper.step()
    assert [flight.intent.targets for flight in keeper.ledger.flights()] == [(first.address,), (second.address,)]
    node.chain.automine(True)
    node.protocol.wait(600)
    assert done(keeper.once(), Job.EXECUTE) == {first.address, second.address}


def test_a_gap_of_nonces_is_filled(node: Node) -> None:
    positions = node.open(3)
    node.protocol.set_price(2_000)
    node.chain.automine(False)
    keeper = node.keeper(replace(WORK, in_flight=2))
    keeper.step()
    first, second = keeper.ledger.flights()
    node.chain.rpc("anvil_dropTransaction", first.hashes[0])
    keeper.ledger.lands(first, 0, node.chain.timestamp)  # and the keeper has forgotten it, too
    keeper.step()
    assert [flight.nonce for flight in keeper.ledger.flights()] == [first.nonce, second.nonce]
    node.chain.mine()
    node.chain.automine(True)
    node.protocol.wait(WORK.patience)  # anvil has dropped what stood behind the gap, too
    keeper.once()
    assert all(position.status is Status.OPEN for position in positions)


def test_two_keepers_racing_do_nothing_twice(node: Node) -> None:
    positions = [p for n, p in enumerate(node.open(12)) if n % 2]
    node.protocol.set_price(2_000)
    node.keeper().once()
    node.protocol.set_price(1_850)
    node.chain.automine(False)
    one, two = (node.keeper(FLEET, key) for key in KEYS)
    assert one.step()[0] and two.step()[0]
    node.chain.mine()
    node.chain.automine(True)
    work = [one.once(), two.once()]
    exits = [event for event in node.market.contract.events("Exited") if event.args.kind == 1]
    assert sorted(event.args.position for event in exits) == sorted(p.address for p in positions)
    assert done(work[0], Job.LIQUIDATE) | done(work[1], Job.LIQUIDATE) == {p.address for p in positions}
    assert not done(work[0], Job.LIQUIDATE) & done(work[1], Job.LIQUIDATE)
    missed = {target for one in (*work[0], *work[1]) for target in one.missed}
    assert missed == {p.address for p in positions}  # of the one that was late
    assert one.ledger.busy(node.chain.timestamp) | two.ledger.busy(node.chain.timestamp) == set()
    assert one.follower.known() == two.follower.known() == node.fresh()


def race(node: Node, keepers: list[Keeper]) -> list[set[str]]:
    """Both send for the same as soon as it is their turn, and the first is faster: what each was too late for."""
    chain = node.chain
    chain.automine(False)
    for keeper in reversed(keepers):
        for _ in range(LAST + 1):
            if keeper.step()[0]:
                break
            chain.mine(seconds=WORK.turn)
        chain.rpc("anvil_dropAllTransactions")  # an anvil tries out behind what waits
    flights = [flight for keeper in keepers for flight in keeper.ledger.flights()]
    assert len({flight.sender for flight in flights}) == len(keepers)
    for flight in flights:
        chain.rpc("eth_sendRawTransaction", flight.raw)
    chain.mine()
    chain.automine(True)
    return [{target for one in keeper.step()[1] for target in one.missed} for keeper in keepers]


def lost_race(node: Node, settings: Settings = FLEET, gone: int = 0) -> tuple[Keeper, set[str]]:
    """Of two keepers that see the same the one that comes too late, and for what; the other one is not there again.

    A reorganisation may have taken so many blocks away after they sent.
    """
    node.chain.automine(False)
    keepers = [node.keeper(settings, key) for key in KEYS]
    for keeper in keepers:
        assert keeper.step()[0]
        node.chain.rpc("anvil_dropAllTransactions")  # an anvil tries out behind what waits
    for keeper in keepers:
        for flight in keeper.ledger.flights():
            keeper.ledger.sends(replace(flight, block=flight.block + gone))
            node.chain.rpc("eth_sendRawTransaction", flight.raw)
    node.chain.mine()
    node.chain.automine(True)
    missed = [{target for one in keeper.once() for target in one.missed} for keeper in keepers]
    return keepers[len(missed[1]) > len(missed[0])], max(missed, key=len)


def test_who_has_lost_a_race_for_a_part_does_the_next_one_a_turn_later(node: Node) -> None:
    node.open(12)
    node.protocol.set_price(2_000)
    node.keeper().once()
    node.protocol.set_price(1_910)
    loser, missed = lost_race(node)
    left = {vault for vault in missed if node.market.position(vault).status is Status.OPEN}
    assert left
    node.protocol.set_price(1_850)
    assert not done(loser.once(), Job.LIQUIDATE) & left
    node.chain.mine(seconds=WORK.turn)
    assert done(loser.once(), Job.LIQUIDATE) >= left


@pytest.mark.parametrize("gone", [0, 64])
def test_who_has_lost_a_race_for_an_order_looks_after_the_position(node: Node, gone: int) -> None:
    longs = {p.address for n, p in enumerate(node.open(12)) if n % 2}
    node.protocol.set_price(2_000)
    loser, missed = lost_race(node, gone=gone)
    assert missed & longs
    node.protocol.set_price(1_850)
    work = loser.once()
    node.chain.mine(seconds=WORK.turn)
    assert done(work + loser.once(), Job.LIQUIDATE) == longs


@pytest.mark.parametrize("settings", [FLEET, WORK], ids=["fleet", "strangers"])
def test_who_has_lost_a_race_for_an_exit_pays_the_next_one(node: Node, settings: Settings) -> None:
    node.open(1)
    node.protocol.set_price(2_000)
    node.keeper().once()
    node.market.pool.request_redeem(1_000, sender=node.protocol.provider)
    node.protocol.set_price(2_000)
    loser, missed = lost_race(node, settings)
    assert missed == {FIRST_EXIT}
    node.market.pool.request_redeem(1_000, sender=node.protocol.provider)
    node.protocol.set_price(2_000)
    work = loser.once()
    node.chain.mine(seconds=WORK.turn)
    assert done(work + loser.once(), Job.EXIT) == {FIRST_EXIT}


def test_races_within_a_fleet_cost_turns_however_often(node: Node) -> None:
    """The same one is too late for the same positions again and again, and there as soon as the other one is not."""
    positions = [
        node.market.open(2 if number % 2 else -2, 220 + number, 1_000, sender=node.trader) for number in range(12)
    ]
    longs = {position.address for position in positions[1::2]}
    node.protocol.set_price(2_000)
    node.keeper().once()
    keepers = [node.keeper(FLEET, key) for key in KEYS]
    _, loser = keepers
    for price in (1_920, 1_900, 1_880):
        node.protocol.set_price(price)
        assert race(node, keepers) == [set(), longs]
        assert loser.ledger.losses() == {} and not loser.ledger.busy(node.chain.timestamp)
    node.protocol.set_price(1_860)
    assert loser.once() == []  # the other one may be there
    node.chain.mine(seconds=LAST * WORK.turn)
    assert done(loser.once(), Job.LIQUIDATE) == longs


def test_who_is_not_of_the_fleet_is_a_stranger_however_honest(node: Node) -> None:
    """What he was faster at is left alone for the cool-down: his address may be a trader's."""
    node.open(12)
    node.protocol.set_price(2_000)
    node.keeper().once()
    node.protocol.set_price(1_910)
    loser, missed = lost_race(node, WORK)
    left = {vault for vault in missed if node.market.position(vault).status is Status.OPEN}
    assert left and loser.ledger.busy(node.chain.timestamp) == missed
    node.protocol.set_price(1_850)
    for _ in range(LAST + 1):
        assert not done(loser.once(), Job.LIQUIDATE) & left
        node.chain.mine(seconds=WORK.turn)
    node.protocol.wait(WORK.cool_down)
    node.protocol.set_price(1_850)
    work = loser.once()
    node.chain.mine(seconds=WORK.turn)
    assert done(work + loser.once(), Job.LIQUIDATE) >= left


def test_one_s_own_keys_are_of_the_fleet(node: Node) -> None:
    """Another keeper sends with the second key of this one."""
    node.open(12)
    node.protocol.set_price(2_000)
    node.keeper().once()
    node.protocol.set_price(1_910)
    other = node.keeper(key=KEYS[1])
    both = node.keeper(key=list(KEYS))
    _, missed = race(node, [other, both])
    assert missed and not both.ledger.losses()


def test_a_race_is_for_the_same_job(node: Node) -> None:
    """The fleet is paid for an order of the trader's, who dodges his liquidation at the same time: that is a loss."""
    (position,) = node.open(2)[1:]
    node.protocol.set_price(2_000)
    node.keeper().once()
    position.raise_reserve(10, sender=node.trader)
    node.protocol.set_price(1_900)
    node.chain.automine(False)
    keepers = [
        node.keeper(replace(FLEET, jobs=frozenset({job})), key)
        for job, key in zip((Job.EXECUTE, Job.LIQUIDATE), KEYS, strict=True)
    ]
    raws = []
    for keeper in keepers:
        assert keeper.step()[0] == 1
        raws += [flight.raw for flight in keeper.ledger.flights()]
        node.chain.rpc("anvil_dropAllTransactions")
    node.in_front(node.market.address, node.market.contract.encode.addMargin(position.address, 100 * 10**6))
    for raw in raws:
        node.chain.rpc("eth_sendRawTransaction", raw)
    node.chain.mine()
    node.chain.automine(True)
    executed, missed = (keeper.step()[1] for keeper in keepers)
    assert done(executed, Job.EXECUTE) == {position.address} and not done(missed, Job.LIQUIDATE)
    assert keepers[1].ledger.losses() == {position.address: 1}


@pytest.mark.parametrize("depth", [1, 12, 64])
def test_a_reorganisation_across_a_liquidation(node: Node, tmp_path: Path, depth: int) -> None:
    """The branch on which it was is gone: what is known is what is there, and the work is done again."""
    positions = node.open(6)
    node.protocol.set_price(2_000)
    keeper = node.keeper(folder=tmp_path)
    keeper.once()
    node.protocol.set_price(1_850)
    before = node.chain.snapshot()
    assert len(done(keeper.once(), Job.LIQUIDATE)) == 3
    added = node.chain.block_number
    for _ in range(depth - 1):
        node.chain.mine()
        keeper.follower.sync()
    node.chain.revert(before)
    node.chain.set_time(node.chain.timestamp + 1)  # another block where that of the liquidation was
    while node.chain.block_number <= added:
        node.chain.mine(seconds=1)
    keeper.follower.sync()
    assert keeper.follower.known() == node.fresh() and len(node.fresh()) == 6
    assert len(done(keeper.once(), Job.LIQUIDATE)) == 3
    assert keeper.follower.known() == node.fresh() and len(node.fresh()) == 3
    assert [p.status for n, p in enumerate(positions) if n % 2] == [Status.NONE] * 3
    restarted = node.keeper(folder=tmp_path)
    restarted.follower.sync()
    assert restarted.follower.known() == node.fresh()


def test_a_checkpoint_of_a_branch_that_is_gone(node: Node, tmp_path: Path) -> None:
    """What was born on it is forgotten, though no event tells of it any more."""
    node.open(2)
    before = node.chain.snapshot()
    node.open(1)
    first = node.keeper(folder=tmp_path)
    first.follower.sync()
    first.close()
    node.chain.revert(before)
    node.chain.mine(3)
    second = node.keeper(folder=tmp_path)
    assert len(second.follower.known()) == 3
    second.follower.sync()
    assert second.follower.known() == node.fresh() and len(node.fresh()) == 2


def test_an_ended_market_is_settled_and_an_exit_paid(node: Node) -> None:
    node.open(4)
    node.protocol.set_price(2_000)
    keeper = node.keeper(replace(WORK, outage_after=0))
    keeper.once()
    node.market.pool.request_redeem(1_000, sender=node.protocol.provider)
    assert done(keeper.once(), Job.EXIT) == set()
    node.protocol.set_price(2_000)
    assert len(done(keeper.once(), Job.EXIT)) == 1
    for _ in range(12):  # nobody speaks any more
        node.protocol.wait(8_000)
        keeper.once()
    assert node.market.oracle.final() is not None
    assert keeper.follower.known() == node.fresh() == {}
