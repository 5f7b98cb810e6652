"""Every position made liquidatable in turn, on a local copy of the chain, and liquidated: what would fail, and why?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bulkhead.build import artifacts
from bulkhead.chain import Address, AnvilChain, ChainError, to_address
from bulkhead.keeper import policy
from bulkhead.keeper.calls import call_of
from bulkhead.keeper.copies import on
from bulkhead.keeper.policy import Intent
from bulkhead.keeper.runner import SPARE_GAS, Keeper, LogEvent
from bulkhead.keeper.settings import Job
from bulkhead.keeper.staged import Stage
from bulkhead.model.interfaces.market import OrderKind, Status
from bulkhead.protocol.position import HIGHEST

#: How far beyond its edge a position is taken, as a part of the index: carry runs on while rounds come in.
BEYOND = 1_000


@dataclass(frozen=True)
class Rehearsed:
    """One position. `price`: 18 decimals, None where it is never liquidatable; `paid`: token units; `why` it failed."""

    vault: Address
    price: int | None
    paid: int = 0
    gas: int = 0
    why: str | None = None


class Rehearsal:
    """A keeper's liquidations on a copy, each undone. Nothing is ever sent to the chain itself.

    The gas that they are held to is what the node asks for now. Raises LookupError where prices cannot be staged.
    """

    def __init__(self, keeper: Keeper, copy: AnvilChain) -> None:
        self._keeper, self._copy = keeper, copy
        self._market, self._me = on(copy, keeper.market), keeper.sender.address
        fees = keeper.sender.fees()
        self._gas_price = keeper.settings.fee_cap if fees is None else fees.price
        self._lens = copy.deploy(artifacts()["Lens"])
        copy.set_balance(self._me, 10**24)
        self._stage = Stage(copy, self._market.oracle)
        self._now = self._stage.present()

    def run(self) -> Iterator[Rehearsed]:
        """All open positions, in the order of their vaults."""
        for vault, known in sorted(self._keeper.follower.known().items()):
            if known.position.status == Status.OPEN:
                with self._copy.isolated():
                    yield self._one(to_address(vault), known.order.kind)

    def _one(self, vault: Address, order: OrderKind) -> Rehearsed:
        low, high = self._lens.call.healthyRange(self._market.address, vault)
        index = self._now
        if low == 0 and high == HIGHEST:
            return Rehearsed(vault, None)
        if low <= high:
            index = low - low // BEYOND - 1 if low else high + high // BEYOND + 1
        try:
            index = self._stage.move(index, self._now)
            if order == OrderKind.CLOSE:
                self._send(Intent(Job.EXECUTE, (vault,), 0))  # its own close goes first, as with a keeper
                if self._size(vault) == 0:
                    return Rehearsed(vault, index)
            return self._liquidated(vault, index)
        except (ChainError, LookupError) as error:
            return Rehearsed(vault, index, why=" ".join(str(error).split()))

    def _liquidated(self, vault: Address, index: int) -> Rehearsed:
        margin = int(self._market.contract.call.positionOf(vault).margin)
        least = min(int(self._keeper.terms.config.liquidation_fee), margin)
        size, before = self._size(vault), self._balance(self._me)
        gas = self._send(Intent(Job.LIQUIDATE, (vault,), least))
        if gas is None:
            return Rehearsed(vault, index, why="The market does not find it liquidatable.")
        paid, left = self._balance(self._me) - before, self._size(vault)
        done = Rehearsed(vault, index, paid, gas)
        p = self._market.contract.call.positionOf(vault)
        settings = self._keeper.settings
        if left >= size:
            return Rehearsed(vault, index, paid, gas, f"Its size stays at {left}.")
        if left and self._balance(vault) < p.margin + p.reserve:
            return Rehearsed(vault, index, paid, gas, "What is left of it is not in its vault.")
        if paid < least:
            return Rehearsed(vault, index, paid, gas, f"It pays {paid} token units, not {least}.")
        if not policy.is_worth_it(Intent(Job.LIQUIDATE, (vault,), paid), gas, self._gas_price, settings):
            cost = gas * self._gas_price
            why = f"It pays {paid} token units for {cost} wei of gas, which is not worth it: nobody would send it."
            return Rehearsed(vault, index, paid, gas, why)
        return done

    def _send(self, intent: Intent) -> int | None:
        """Carries an intent out as the keeper does; the gas that it takes, None where nothing is left of it."""
        call = call_of(intent, self._market, self._me)
        if call is None:
            return None
        gas = self._copy.estimate(call.data, to=call.to, sender=self._me) * SPARE_GAS[0] // SPARE_GAS[1]
        return self._copy.send(call.to, call.data, sender=self._me, gas=gas).gas_used

    def _size(self, vault: Address) -> int:
        return abs(int(self._market.contract.call.positionOf(vault).size))

    def _balance(self, account: str) -> int:
        return int(self._market.token.contract.call.balanceOf(account))


def rehearse(keeper: Keeper, log: LogEvent) -> int:
    """Rehearses on a fork of the keeper's node, a line of the log for each position; how many would fail.

    The node must serve the state of its newest block while this runs. Raises LookupError and the chain's errors.
    """
    source = keeper.follower.chain
    if keeper.market.oracle.feeds[:1] == [None]:
        raise LookupError("The primary of this market is Pyth's, whose prices are signed: none to come can be staged.")
    head = keeper.follower.sync()
    options = ("--fork-url", source.url, "--fork-block-number", str(head.number))
    counts = {"positions": 0, "covered": 0, "failed": 0}
    with AnvilChain(chain_id=source.chain_id, timestamp=head.time, options=options) as copy:
        for one in Rehearsal(keeper, copy).run():
            counts["positions"] += 1
            counts["covered"] += one.price is None
            counts["failed"] += one.why is not None
            log("would fail" if one.why else "covered" if one.price is None else "rehearsed", _facts(one))
    log("rehearsal", {"block": head.number, **counts})
    return counts["failed"]


def _facts(one: Rehearsed) -> dict[str, Any]:
    facts = {"position": one.vault, "price": one.price, "paid": one.paid, "gas": one.gas, "why": one.why}
    return {name: fact for name, fact in facts.items() if fact is not None}
