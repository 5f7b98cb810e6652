"""A token that calls back before and after every transfer, and an attacker who then tries every function there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bulkhead.chain import Contract, RevmChain
from bulkhead.protocol import MarketContracts
from tests.attacks.helpers import Attacker, audit, end_of_market
from tests.unit.exits.expect import TICK, boundary
from tests.world import MAX, ONE, PRICE, World

Call = tuple[Contract, bytes]

#: What changes only shares of the pool or asks for no price, and may happen at any time.
HARMLESS = {"approve", "transfer", "transferFrom", "requestRedeem"}

ENTRY = {"deposit", "depositAtLeast", "mint", "previewDeposit"}


class Scene:
    """The attacker owns shares of the pool, and whatever the next act is about."""

    def __init__(self, world: World) -> None:
        self.world, self.attacker = world, Attacker(world)
        self.parts: MarketContracts = world.perpetual
        self.market, self.pool = self.parts.market, self.parts.pool
        self.token, self.me = world.token, self.attacker.address
        self.do(self.pool, self.pool.encode.deposit(200_000 * world.unit, self.me))
        self.positions: list[str] = []
        self.proof = b""

    def do(self, contract: Contract, data: bytes) -> Any:
        return self.attacker.run((contract, data))

    def request(self, size: int = 10 * ONE, high: int = PRICE * 11 // 10) -> str:
        leg = self.world.leg(size, 2_000, 2_000)
        receipt = self.do(self.market, self.market.encode.requestOpen(self.me, [leg], PRICE * 9 // 10, high))
        self.positions.append(receipt.event("OpenRequested").args.position)
        return self.positions[-1]

    def open(self, size: int = 10 * ONE) -> str:
        position = self.request(size)
        self.proof = self.world.price(PRICE)
        self.world.execute(position, self.proof)
        return position

    def others(self) -> None:
        self.positions.append(self.world.open(margin=3_000, reserve=9_000))

    def attempts(self) -> Iterator[tuple[str, Call]]:
        """Every function of market and pool that changes something, and the priced views, for every position."""
        market, pool, unit, me = self.market, self.pool, self.world.unit, self.me
        leg = self.world.leg(ONE, 500, 500)
        pooled: dict[str, tuple[Any, ...]] = {
            "deposit": (10**4 * unit, me),
            "depositAtLeast": (10**4 * unit, me, 0),
            "mint": (10**9, me),
            "redeem": (10**9, me, me),
            "withdraw": (10**3, me, me),
            "requestRedeem": (pool.call.balanceOf(me) // 3, 0),
            "executeExit": (self.proof,),
            "claimExit": (me,),
            "approve": (me, 1),
            "transfer": (me, 1),
            "transferFrom": (me, me, 1),
            "earmark": (0, ONE, 0),
            "move": ({key: me if key in ("vault", "keeper") else 0 for key in FLOW},),
            "collectClaim": (0,),
            "worth": (PRICE, self.world.chain.timestamp),
            "previewDeposit": (unit,),
        }
        assert pooled.keys() >= {f.name for f in pool.abi.functions.values() if not f.view}
        for name, arguments in pooled.items():
            yield name, (pool, getattr(pool.encode, name)(*arguments))
        for position in self.positions:
            own: dict[str, tuple[Any, ...]] = {
                "requestOpen": (me, [leg], 1, PRICE * 2),
                "requestClose": (position, MAX * ONE, 0, 0, MAX),
                "requestRaise": (position, unit),
                "execute": ([position], self.proof),
                "addMargin": (position, unit),
                "removeMargin": (position, unit),
                "liquidate": ([position],),
                "closeAtReserve": (position,),
                "settle": ([position],),
                "claim": (position, me),
                "health": (position, PRICE, self.world.chain.timestamp),
                "seriesOf": (0,),
            }
            assert own.keys() >= {f.name for f in market.abi.functions.values() if not f.view}
            for name, arguments in own.items():
                yield name, (market, getattr(market.encode, name)(*arguments))

    def play(self, act: Call) -> set[str]:
        """Carries an act out while every transfer is used to try everything; gives what was let in."""
        names, calls = zip(*self.attempts(), strict=True)
        self.attacker.contract.send.plan([(target.address, data) for target, data in calls])
        self.token.send.setAttacker(self.me)
        receipt = self.do(*act)
        self.token.send.setAttacker("0x" + "00" * 20)
        assert receipt.events_of("Transfer"), "nothing was transferred"
        self.positions += [event.args.position for event in receipt.events_of("OpenRequested")]
        return {names[event.args.call] for event in receipt.events_of("Entered")}


FLOW = ("freed", "added", "released", "vault", "sent", "received", "unpaid", "keeper", "keeperFee", "ended", "index")


def executed(price: int, prepare: Callable[[Scene], str]) -> Callable[[Scene], Call]:
    def act(scene: Scene) -> Call:
        position = prepare(scene)
        scene.proof = scene.world.price(price)
        return scene.market, scene.market.encode.execute([position], scene.proof)

    return act


def closing(scene: Scene) -> str:
    position = scene.open()
    scene.do(scene.market, scene.market.encode.requestClose(position, MAX * ONE, 0, 0, MAX))
    return position


def raising(scene: Scene) -> str:
    position = scene.open()
    scene.do(scene.market, scene.market.encode.requestRaise(position, 1_000 * scene.world.unit))
    return position


def liquidation(scene: Scene) -> Call:
    position = scene.open()
    scene.world.walk_to(boundary(scene.world, position) // TICK * TICK - 20 * ONE)
    return scene.market, scene.market.encode.liquidate([position])


def at_reserve(scene: Scene) -> Call:
    position = scene.open()
    scene.world.walk_to(PRICE * 12 // 10)
    return scene.market, scene.market.encode.closeAtReserve(position)


def settlement(scene: Scene) -> Call:
    positions = [scene.open(), scene.open(-10 * ONE)]
    end_of_market(scene.world)
    return scene.market, scene.market.encode.settle(positions)


def claim(scene: Scene) -> Call:
    position = closing(scene)
    for payee in (scene.me, scene.pool.address):
        scene.token.send.setBlocked(payee, True)
    scene.world.execute(position, scene.world.price(PRICE))
    for payee in (scene.me, scene.pool.address):
        scene.token.send.setBlocked(payee, False)
    return scene.market, scene.market.encode.claim(position, scene.me)


ACTS: dict[str, Callable[[Scene], Call]] = {
    "request": lambda s: (
        s.market,
        s.market.encode.requestOpen(s.me, [s.world.leg(ONE, 500, 500)] * 2, 1, PRICE),
    ),
    "open": executed(PRICE, Scene.request),
    "void": executed(PRICE * 12 // 10, Scene.request),
    "close": executed(PRICE, closing),
    "close below": executed(PRICE * 91 // 100, closing),
    "raise": executed(PRICE, raising),
    "add": lambda s: (s.market, s.market.encode.addMargin(s.open(), s.world.unit)),
    "remove": lambda s: (s.market, s.market.encode.removeMargin(s.open(), 100 * s.world.unit)),
    "liquidate": liquidation,
    "at reserve": at_reserve,
    "settle": settlement,
    "claim": claim,
}


@pytest.fixture(scope="module")
def callback_world() -> World:
    return World(RevmChain(), token="CallbackTokenMock")


@pytest.fixture
def scene(callback_world: World) -> Iterator[Scene]:
    with callback_world.chain.isolated():
        yield Scene(callback_world)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("act", ACTS)
def test_the_market_is_not_entered_from_within(scene: Scene, act: str, alone: bool) -> None:
    """Row 7, SAFE-1, SAFE-2, POOL-1: around every transfer of the market neither a function of it nor a price of the
    pool is to be had."""
    if not alone:
        scene.others()
    entered = scene.play(ACTS[act](scene))
    # With nothing open the pool needs no price: it counts what it is owed until that has come.
    assert entered <= (HARMLESS | ENTRY if (act, alone) == ("claim", True) else HARMLESS)
    audit(scene.world, scene.parts, scene.positions)


def leaving(scene: Scene) -> Call:
    scene.do(scene.pool, scene.pool.encode.requestRedeem(scene.pool.call.balanceOf(scene.me) // 2, 0))
    scene.proof = scene.world.price(PRICE)
    return scene.pool, scene.pool.encode.executeExit(scene.proof)


POOL_ACTS: dict[str, Callable[[Scene], Call]] = {
    "deposit": lambda s: (s.pool, s.pool.encode.deposit(1_000 * s.world.unit, s.me)),
    "mint": lambda s: (s.pool, s.pool.encode.mint(10**15, s.me)),
    "redeem": lambda s: (s.pool, s.pool.encode.redeem(10**15, s.me, s.me)),
    "withdraw": lambda s: (s.pool, s.pool.encode.withdraw(1_000 * s.world.unit, s.me, s.me)),
    "exit": leaving,
}


@pytest.mark.parametrize("act", POOL_ACTS)
def test_the_pool_is_not_entered_from_within(scene: Scene, act: str) -> None:
    """Row 7, SAFE-2, POOL-1: what is let in around a transfer of the pool meets sums that agree, and gains nothing."""
    if act not in ("redeem", "withdraw"):  # at once only while nothing is open
        scene.others()
        scene.open()
    call = POOL_ACTS[act](scene)
    had = scene.world.total(scene.parts, scene.positions) + scene.world.balance(scene.me)
    entered = scene.play(call)
    own = {f.name for f in scene.pool.abi.functions.values() if not f.view}
    assert not entered & (own - HARMLESS)
    audit(scene.world, scene.parts, scene.positions)
    assert scene.world.total(scene.parts, scene.positions) + scene.world.balance(scene.me) == had
