"""Uniswap v3 as it is: its factory, pools, position manager and router, from the artefacts of its npm packages.

Each pool has a twin beside it, the stand-in that the Python model reads, which is told what happened after every step.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from math import isqrt
from typing import Any

from bulkhead.build import ROOT, artifacts
from bulkhead.chain import ZERO, Contract, RevmChain
from bulkhead.model.oracles import uniswap_source
from bulkhead.model.oracles.source import Kind, SourceConfig
from bulkhead.model.oracles.uniswap_pool import UniswapPool
from bulkhead.protocol.config import source
from tests.differential.answers import answer_of

MAX = 2**256 - 1
Q96 = 2**96
#: The widest range of a pool whose spacing is 60; those of 10 may take it as well.
FULL = (-887_220, 887_220)
CORE, PERIPHERY = "v3-core", "v3-periphery"


@dataclass(frozen=True)
class Published:
    """A contract as its authors compiled it."""

    name: str
    abi: list[Any]
    bytecode: str


@cache
def published(package: str, name: str) -> Published:
    """From `node_modules/@uniswap`."""
    path = ROOT / "node_modules/@uniswap" / package / f"artifacts/contracts/{name}.sol/{name}.json"
    artifact = json.loads(path.read_text())
    return Published(name, artifact["abi"], artifact["bytecode"])


def root_at(tick: Fraction | int) -> int:
    """sqrt(1.0001 ** tick) x 2 ** 96, the pool's form of a price."""
    with localcontext(prec=80):
        exact = Decimal("1.0001") ** (Decimal(Fraction(tick).numerator) / Fraction(tick).denominator)
        return int(exact.sqrt() * Q96)


class Uniswap:
    """The whole exchange on a chain, and one account that trades and provides liquidity."""

    def __init__(self, chain: RevmChain) -> None:
        self.chain = chain
        self.factory = chain.deploy(published(CORE, "UniswapV3Factory"))
        # Ether is not traded here, so that its wrapper, and what draws pictures of positions, may be missing.
        self.manager = chain.deploy(
            published(PERIPHERY, "NonfungiblePositionManager"), self.factory.address, ZERO, ZERO
        )
        self.router = chain.deploy(published(PERIPHERY, "SwapRouter"), self.factory.address, ZERO)
        self.trader = chain.new_account("exchange trader")

    def tokens(self, decimals0: int, decimals1: int) -> tuple[Contract, Contract]:
        """Two tokens in the order of their addresses, of which the trader has plenty."""
        first = self._token(decimals0)
        while True:
            second = self._token(decimals1)
            if int(first.address, 16) < int(second.address, 16):
                return first, second
            first = self._token(decimals0)

    def _token(self, decimals: int) -> Contract:
        token = self.chain.deploy(artifacts()["TokenMock"], decimals)
        token.send.mint(self.trader, 2**160)
        for spender in (self.manager, self.router):
            token.send.approve(spender.address, MAX, sender=self.trader)
        return token

    def pool(self, token0: Contract, token1: Contract, price: Fraction | int, fee: int = 3_000) -> Pool:
        """A pool at a price: whole units of token1 for one of token0. It has no liquidity yet."""
        raw = Fraction(price) * 10 ** token1.call.decimals() / 10 ** token0.call.decimals()
        root = isqrt((raw.numerator << 192) // raw.denominator)
        self.manager.send.createAndInitializePoolIfNecessary(token0.address, token1.address, fee, root)
        address = self.factory.call.getPool(token0.address, token1.address, fee)
        return Pool(self, self.chain.contract(published(CORE, "UniswapV3Pool"), address), token0, token1, fee)


class Pool:
    """One pool, with what one does to it."""

    def __init__(self, uniswap: Uniswap, contract: Contract, token0: Contract, token1: Contract, fee: int) -> None:
        self.uniswap, self.contract, self.fee = uniswap, contract, fee
        self.chain, self.address = uniswap.chain, contract.address
        self.token0, self.token1 = token0, token1
        decimals = token0.call.decimals(), token1.call.decimals()
        self.model = UniswapPool(int(self.address, 16), decimals, self.chain.timestamp, self.tick)

    @property
    def tick(self) -> int:
        return int(self.contract.call.slot0().tick)

    @property
    def root(self) -> int:
        """Square root of the price, Q96."""
        return int(self.contract.call.slot0().sqrtPriceX96)

    @property
    def liquidity(self) -> int:
        """In range."""
        return int(self.contract.call.liquidity())

    def seen(self) -> None:
        """Tells the twin what has just happened."""
        self.model.move(self.chain.timestamp, self.tick, self.liquidity)

    def provide(self, liquidity: int, lower: int = FULL[0], upper: int = FULL[1]) -> int:
        """Liquidity between two ticks (multiples of the spacing), about so much; gives the position's id."""
        root, low, high = self.root, root_at(lower), root_at(upper)
        at = min(max(root, low), high)
        amounts = liquidity * (high - at) * Q96 // (high * at) + 1, liquidity * (at - low) // Q96 + 1
        position = (self.token0.address, self.token1.address, self.fee, lower, upper, *amounts, 0, 0)
        trader = self.uniswap.trader
        receipt = self.uniswap.manager.send.mint((*position, trader, MAX), sender=trader)
        self.seen()
        return int(receipt.event("IncreaseLiquidity").args.tokenId)

    def withdraw(self, position: int) -> None:
        """All of a position's liquidity; what it was worth stays with the manager."""
        manager, trader = self.uniswap.manager, self.uniswap.trader
        liquidity = manager.call.positions(position).liquidity
        manager.send.decreaseLiquidity((position, liquidity, 0, 0, MAX), sender=trader)
        self.seen()

    def swap_to(self, tick: int) -> int:
        """Trades until the price is within a tick; gives what had to be paid in, fee included, in the token's units."""
        if tick == self.tick:
            return 0
        token = self.token0 if tick < self.tick else self.token1
        trader, router = self.uniswap.trader, self.uniswap.router
        before = token.call.balanceOf(trader)
        router.send.exactInputSingle(self.swap_to_call(tick, trader), sender=trader)
        self.seen()
        assert self.tick == tick, "the pool has liquidity on the way"
        return int(before - token.call.balanceOf(trader))

    def swap_to_call(self, tick: int, recipient: str) -> tuple[Any, ...]:
        """The router's argument: as much of the one token as it takes for the price to be in the middle of a tick."""
        paid, bought = (self.token0, self.token1) if tick < self.tick else (self.token1, self.token0)
        limit = root_at(tick + Fraction(1, 2))
        return (paid.address, bought.address, self.fee, recipient, MAX, 2**150, 0, limit)

    def grow(self, cardinality: int) -> None:
        """Pays for slots of the ring; they come into use at its next turn."""
        self.contract.send.increaseObservationCardinalityNext(cardinality, sender=self.uniswap.trader)
        self.model.grow(cardinality)

    def wait(self, seconds: int) -> None:
        """Lets time pass."""
        self.chain.set_time(self.chain.timestamp + seconds)

    def age(self, cardinality: int, seconds: int) -> Pool:
        """A ring of so many slots in use, and a history: what a pool has that is to be an oracle's."""
        self.grow(cardinality)
        self.wait(12)
        self.provide(1_000)
        self.wait(seconds)
        return self

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """A block of code whose changes of the chain and of the twin vanish at its end."""
        kept = deepcopy(self.model)
        try:
            with self.chain.isolated():
                yield
        finally:
            vars(self.model).update(vars(kept))


def config(pool: Pool, window: int, **changes: Any) -> dict[str, Any]:
    """A SourceConfig on Ethereum, by the ABI's names: the price of token0, without bounds."""
    usual: dict[str, Any] = {"kind": Kind.UNISWAP, "largest": 2**128 - 1, "remember": window, "blockTime": 12}
    return source(pool.address, window, **usual | changes)


def _twin(pool: Pool, settings: dict[str, Any]) -> SourceConfig:
    return SourceConfig(*(settings | {"at": pool.model}).values())


def pinned(harness: Contract, pool: Pool, settings: dict[str, Any]) -> Any:
    """What `pin` answers, or its error, which is the twin's, too."""
    twin = _twin(pool, settings)
    told = answer_of(harness.call.pin, settings)
    foreseen = answer_of(lambda: uniswap_source.pin(twin, pool.chain.timestamp) and "pinned")
    assert told == foreseen or (told[0] != "error" and foreseen == "pinned")
    return told


class Source:
    """A pool as an oracle reads it: UniswapSource and its twin, compared at every question."""

    def __init__(self, harness: Contract, pool: Pool, window: int, **changes: Any) -> None:
        self.harness, self.pool = harness, pool
        settings = config(pool, window, **changes)
        self.words = tuple(harness.call.pin(settings))
        self.twin = uniswap_source.pin(_twin(pool, settings), pool.chain.timestamp)

    def as_of(self, time: int) -> tuple[bool, int]:
        """shown, index."""
        shown, index = self.harness.call.asOf(*self.words, time)
        assert (shown, index) == uniswap_source.as_of(*self.twin, time, self.pool.chain.timestamp)
        return shown, index

    def current(self) -> int:
        """index"""
        index = self.harness.call.current(*self.words)
        assert index == uniswap_source.as_of(*self.twin, *[self.pool.chain.timestamp] * 2)[1]
        return int(index)


# ---------------------------------------------------------------- what it costs to lie


def capital_to_move(liquidity: int, root: int, ticks: int) -> int:
    """Units of token1 to be paid in so that the price rises by so many ticks; fees, of 0.05 to 1 %, come on top.

    L x sqrt(P) x (1.0001 ** (ticks / 2) - 1), Uniswap v3 Core whitepaper, 6.2.1; the liquidity reaches that far.
    """
    return liquidity * (root * root_at(ticks) // Q96 - root) // Q96


def loss_if_undone(liquidity: int, root: int, ticks: int) -> int:
    """Units of token1 that the mover loses when others trade back at the price from before: L x sqrt(P) x
    (1.0001 ** (ticks / 2) + 1.0001 ** (-ticks / 2) - 2), fees come on top."""
    moved = liquidity * (root_at(ticks) + root_at(-ticks) - 2 * Q96) // Q96
    return moved * root // Q96


def ticks_to_hold(mean: int, window: int, held: int) -> int:
    """How far a price has to be off for `held` seconds so that the mean of a window is off by `mean` ticks."""
    return -(-mean * window // held)
