"""Prices that somebody has to bring: proofs for an oracle whose primary is a price of Pyth.

An update proves its price for the rest of its transaction only. So what needs it goes along: first the proofs, then the
call, as steps of contracts/periphery/Upkeep.sol, which hands the keeper's pay on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bulkhead.build import artifacts
from bulkhead.chain import Address, Contract, Revert, Web3Chain
from bulkhead.chain.base import AddressLike
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.model.oracles.source import Kind
from bulkhead.protocol.errors import PriceNotThereYet, ProofInvalid, typed
from bulkhead.protocol.market import Market
from bulkhead.protocol.oracle import NO_ROUND, Feed
from bulkhead.protocol.protocol import sources_of
from bulkhead.protocol.units import to_seconds

#: Fetches the signed updates of a price, by its id, among which is the first published at or after a time; none if
#: there is none yet. Pyth's own service answers that, and so may any archive of updates.
Updates = Callable[[bytes, int], Sequence[bytes]]

#: Gas that a transaction of Upkeep is tried with, at first and at last.
LEAST_GAS, MOST_GAS = 300_000, 12_000_000


class Step(NamedTuple):
    """A call within a transaction of Upkeep: to whom, with what native value."""

    target: Address
    value: int
    data: bytes


class Bundle(NamedTuple):
    """A transaction to Upkeep: the native value that goes along, and gas that is enough for each of its steps."""

    to: Address
    data: bytes
    value: int
    gas: int


@dataclass(frozen=True)
class Pulled:
    """How to prove prices of Pyth.

    upkeep, pyth   addresses of Upkeep and of Pyth
    updates        fetches signed updates
    ids            price ids by source: 0 is the primary, validators count from 1 on
    feeds          Chainlink proxies of the validators in their order, a second leg last; None for one that is another's
    """

    upkeep: AddressLike
    pyth: AddressLike
    updates: Updates
    ids: Mapping[int, bytes]
    feeds: Sequence[AddressLike | None] = field(default=())

    @classmethod
    def recorded(cls, content: Mapping[str, Any], name: str, updates: Updates) -> Pulled | None:
        """As a deployment record tells of a market; None where its primary is not Pyth's.

        Raises LookupError for a record without Upkeep.
        """
        sources = sources_of(content, name)
        ids = {n: bytes.fromhex(one["id"][2:]) for n, one in enumerate(sources) if one["kind"] == Kind.PYTH}
        if 0 not in ids:
            return None
        upkeep = content["steps"].get("Upkeep")
        if upkeep is None:
            raise LookupError(f"The record of market {name} names no Upkeep, which brings prices of Pyth along.")
        feeds = [one["at"] if one["kind"] == Kind.CHAINLINK else None for one in sources[1:]]
        return cls(upkeep["address"], sources[0]["at"], updates, ids, feeds)

    def prove(
        self,
        market: Market,
        target: Address,
        asked: Callable[[bytes], Any],
        encoded: Callable[[bytes], bytes],
        me: Address,
    ) -> Bundle | bytes:
        """The proof that a call takes, or all of it as one transaction of `me`, where its price is to be brought along.

        asked     simulates the call with a proof
        encoded   its data, with a proof

        Raises PriceNotThereYet where no update is found, and whatever the call or the proving raises.
        """
        try:
            asked(NO_ROUND)
            return NO_ROUND
        except (ProofInvalid, PriceNotThereYet) as refused:
            after, refusal = to_seconds(refused.after_time, "the time"), refused
        found = self.updates(self.ids[0], after + 1)
        if not found:
            return self._without(asked, refusal)
        return self._bundle(market, target, encoded, after + 1, found, me)

    @staticmethod
    def _without(asked: Callable[[bytes], Any], refusal: Revert) -> bytes:
        """No price at all is what an order takes when its time to live is over."""
        try:
            asked(b"")
        except (ProofInvalid, PriceNotThereYet):
            raise refusal from None
        return b""

    def _bundle(
        self,
        market: Market,
        target: Address,
        encoded: Callable[[bytes], bytes],
        since: int,
        found: Sequence[bytes],
        me: Address,
    ) -> Bundle:
        oracle, chain = market.oracle, market.chain
        first = self._proving(market, 0, since, found)
        _, time = oracle.contract.call.prove(0, since, list(found), value=first.value, sender=me)
        steps = [first]
        for source in sorted(self.ids.keys() - {0}):
            updates = self.updates(self.ids[source], time)
            if updates:
                steps.append(self._proving(market, source, time, updates))
        feeds = [None if feed is None else Feed(chain, feed) for feed in self.feeds]
        steps.append(Step(target, 0, encoded(encode_proof(0, oracle.rounds_by(time, feeds)))))
        value = sum(step.value for step in steps)
        upkeep = chain.contract(artifacts()["Upkeep"], self.upkeep)
        data = upkeep.encode.run(steps, [market.token.address])
        return Bundle(upkeep.address, data, value, self._gas(market, upkeep, data, value, me))

    @staticmethod
    def _gas(market: Market, upkeep: Contract, data: bytes, value: int, me: Address) -> int:
        """With which the last step passes, at most a quarter too much: it decides, whatever the others need.

        A node cannot reckon it, because a step that runs out of gas does not undo the transaction.
        """
        chain, run = market.chain, upkeep.abi.function("run")
        assert isinstance(chain, Web3Chain)
        gas = LEAST_GAS
        while True:
            try:
                result = run.decode(chain.call(upkeep, data, sender=me, value=value, gas=gas))[-1]
                if result.done:
                    return gas
                refusal: Revert = typed(Revert(result.answer, chain.registry), market.token.decimals)
            except Revert as revert:
                refusal = revert
            gas = gas * 5 // 4
            if gas > MOST_GAS:
                raise refusal

    def _proving(self, market: Market, source: int, since: int, updates: Sequence[bytes]) -> Step:
        fee = int(market.chain.contract(_PYTH, self.pyth).call.getUpdateFee(list(updates)))
        data = market.oracle.contract.encode.prove(source, since, list(updates))
        return Step(market.oracle.address, fee, data)


_PYTH = [
    {
        "type": "function",
        "stateMutability": "view",
        "name": "getUpdateFee",
        "inputs": [{"type": "bytes[]", "name": "updateData"}],
        "outputs": [{"type": "uint256", "name": "feeAmount"}],
    }
]
