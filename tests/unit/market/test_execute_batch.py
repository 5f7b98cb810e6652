"""Several orders by one proof: what comes of each is what comes of it alone, all or none, and each at its own price."""

from __future__ import annotations

from typing import Any

from tests.unit.market.helpers import DELAY, TOKEN, close_order, conserved, refused, requested, state
from tests.world import ONE, PRICE, World


def together(world: World, positions: list[str], proof: bytes) -> Any:
    return world.perpetual.market.send.execute(positions, proof, sender=world.keeper)


def test_it_is_what_comes_of_one_after_the_other(world: World) -> None:
    """Legs of one order, a close and a raise; the fees of all are paid."""
    closing, raising = world.open(), world.open(-10 * ONE)
    legs = world.request(world.leg(10 * ONE, 2_000, 5_000), world.leg(-6 * ONE, 2_000, 3_000))
    close_order(world, closing, 4 * ONE)
    world.perpetual.market.send.requestRaise(raising, 3_000 * TOKEN, sender=world.trader)
    positions, proof = [*legs, closing, raising], world.price(2_050 * ONE)
    outcomes = []
    for batches in ([positions], [[position] for position in positions]):
        with world.chain.isolated():
            before = world.balance(world.keeper)
            receipts = [together(world, batch, proof) for batch in batches]
            told = [tuple(e.args) for r in receipts for e in r.events if e.name != "Transfer"]
            outcomes.append((told, state(world, positions), world.balance(world.keeper) - before))
            conserved(world, *positions)
    assert outcomes[0] == outcomes[1] and len(outcomes[0][0]) == 4 and outcomes[0][2] > 4 * TOKEN
    assert together(world, [], proof).events == []


def test_one_that_is_refused_refuses_all(world: World) -> None:
    idle, waiting = world.open(), requested(world)
    proof = world.price(PRICE)
    no = {"sender": world.keeper, "positions": [waiting, idle]}
    execute = world.perpetual.market.send.execute
    refused(world, "NoOrder", (idle,), execute, [waiting, idle], proof, **no)
    refused(world, "UnknownPosition", (world.other,), execute, [waiting, world.other], proof, **no)
    refused(world, "NoOrder", (waiting,), execute, [waiting, waiting], proof, **no)


def test_each_has_its_own_first_price(world: World) -> None:
    """A proof of one order's price is none of another's that came later, wherever it stands."""
    early = requested(world)
    first = world.price(PRICE)
    late = requested(world)
    due = world.chain.timestamp + DELAY
    second = world.price(2_010 * ONE)
    no = {"sender": world.keeper, "positions": [early, late]}
    execute = world.perpetual.market.send.execute
    for positions in ([early, late], [late, early]):
        refused(world, "ProofInvalid", (int.from_bytes(first, "big"), due), execute, positions, first, **no)
    assert together(world, [early], first).event("Opened").args.index == PRICE
    assert together(world, [late], second).event("Opened").args.index == 2_010 * ONE


def test_orders_of_two_moments_may_share_a_price(world: World) -> None:
    early = requested(world)
    world.wait(1)
    late = requested(world)
    told = together(world, [early, late], world.price(PRICE)).events_of("Opened")
    assert [(event.args.position, event.args.index) for event in told] == [(early, PRICE), (late, PRICE)]
    assert told[0].args.keeperFee > told[1].args.keeperFee  # a second more


def test_orders_of_one_second_in_two_phases_of_the_feed_do_not(world: World) -> None:
    before = requested(world)
    world.feed.proxy.send.newPhase()
    world.feed.push(PRICE)
    after = requested(world)
    assert [world.perpetual.market.call.orderOf(p).phase for p in (before, after)] == [1, 2]
    proof = world.price(PRICE)
    due = world.perpetual.market.call.orderOf(before).requestedAt + DELAY
    no = {"sender": world.keeper, "positions": [before, after]}
    execute = world.perpetual.market.send.execute
    refused(world, "ProofInvalid", (int.from_bytes(proof, "big"), due), execute, [after, before], proof, **no)
    assert together(world, [after], proof).events_of("Opened")
