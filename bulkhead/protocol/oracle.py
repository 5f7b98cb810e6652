"""Prices, and the proof which of them was the first after a moment."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from bulkhead.chain import Address, Chain, Contract, Revert
from bulkhead.chain.base import AddressLike
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.protocol.errors import PriceNotThereYet, ProofInvalid, QuorumNotShown, TypedContract
from bulkhead.protocol.events import OracleEvent
from bulkhead.protocol.units import WAD, short, to_datetime, to_decimal, to_text

#: No round has this id: with it a contract answers what time it wants a price after.
NO_ROUND = encode_proof(0)
#: Where an oracle keeps the phase of its second leg, behind those of validators.
LEG = 3
#: Numbers of rounds within a phase stay far below.
MOST_ROUNDS = 1 << 32


class IndexPrice(NamedTuple):
    """A price of the underlying in collateral, tokens per unit, and its time."""

    price: Decimal
    time: datetime


class Oracle:
    """The oracle of a market. `feeds` are its Chainlink proxies, the primary first and a second leg last; None stands
    for a validator of another kind.

    They are needed to find proofs only. What a price of Pyth has to show is the caller's business: a proof that is
    found here shows Chainlink's, beside which a pool of Uniswap needs none.
    """

    def __init__(self, chain: Chain, address: AddressLike, feeds: Sequence[AddressLike | None] = ()) -> None:
        self.chain = chain
        self.contract = TypedContract(chain, "Oracle", address)
        self.feeds = [None if feed is None else Feed(chain, feed) for feed in feeds]

    @property
    def address(self) -> Address:
        """Where it is."""
        return self.contract.address

    @property
    def base(self) -> str:
        """What the index is the price of: "ETH"."""
        return to_text(self.contract.call.base())

    @property
    def quote(self) -> str:
        """What the index is counted in: "USD"."""
        return to_text(self.contract.call.quote())

    @property
    def heartbeat(self) -> int:
        """Largest silence of the primary, seconds."""
        return int(self.contract.call.heartbeat())

    @property
    def deviation(self) -> Decimal:
        """How far the true price may lie from the primary's before it speaks, as a fraction."""
        return to_decimal(self.contract.call.deviation(), WAD)

    def latest(self) -> IndexPrice:
        """The newest price. Raises PriceStale, PriceInvalid, PriceJumped, PriceDisputed, InGrace, OracleEnded."""
        index, time = self.contract.call.latest()
        return IndexPrice(to_decimal(index, WAD), to_datetime(time))

    def final(self) -> IndexPrice | None:
        """The one price left after the end; None before it."""
        ended, index, time = self.contract.call.finalPrice()
        return IndexPrice(to_decimal(index, WAD), to_datetime(time)) if ended else None

    def check_outage(self, *, sender: AddressLike = None) -> OracleEvent | None:
        """Starts, clears or completes the clock of an outage, and says which; None: it stays as it is. Anyone may."""
        events = OracleEvent.of(self.contract.send.checkOutage(sender=sender).events, self.address, WAD)
        return events[0] if events else None

    def prove(self, execution: Callable[[bytes], Any]) -> bytes:
        """The proof that an execution takes, which is only simulated here.

        The execution itself says after what time it wants a price: it is asked with a round that does not exist. Raises
        PriceNotThereYet, ProofInvalid, QuorumNotShown, and whatever else the execution raises.
        """
        try:
            execution(NO_ROUND)
            return NO_ROUND  # a pool in which nothing is open needs no proof
        except (ProofInvalid, PriceNotThereYet) as refused:
            after = int(refused.values.afterTime)
        if not self.feeds or self.feeds[0] is None:
            raise LookupError(f"The feeds of {self!r} are not known, so that no proof can be found: pass proof=.")
        refusal: Revert | None = None
        for proof in self._proofs(self.feeds[0], self.feeds[1:], after):
            try:
                execution(proof)
                return proof
            except (ProofInvalid, PriceNotThereYet, QuorumNotShown) as refused:
                refusal = refusal or refused
        assert refusal is not None
        raise refusal

    def _proofs(self, primary: Feed, others: Sequence[Feed | None], after: int) -> Iterator[bytes]:
        """What may prove the first price after a time: the feed may have moved to a new phase since the commit.

        The last one says that there is no price, which an order takes when its time to live is over.
        """
        newest = primary.phase()
        for phase in range(newest, max(newest - 2, 0), -1):
            if (proof := self._proof(primary, others, phase, after)) is not None:
                yield proof
        yield b""

    def _proof(self, primary: Feed, others: Sequence[Feed | None], phase: int, after: int) -> bytes | None:
        """The phase's first round observed after a time and, of each other feed, its last one transmitted by then."""
        first = primary.first_after(phase, after)
        if first is None:
            return None
        if not others:
            return encode_proof(first.id)
        return encode_proof(first.id, self.rounds_by(first.observed, others))

    def rounds_by(self, time: int, others: Sequence[Feed | None]) -> tuple[int, ...]:
        """Of each other feed its last round on chain by a time; 0 for None, a source that is not Chainlink's."""
        phases = self.contract.call.phasesAt(time)
        places = [*range(self.contract.call.validators()), LEG]
        return tuple(
            0 if feed is None else feed.last_by(phases >> 16 * place & 0xFFFF, time)
            for place, feed in zip(places, others, strict=False)
        )

    def __repr__(self) -> str:
        return f"<Oracle at {short(self.address)}>"


class Round(NamedTuple):
    """`observed`: when its price was seen; `transmitted`: when it came on chain. Unix seconds."""

    id: int
    observed: int
    transmitted: int


class Feed:
    """A Chainlink proxy. The id of a round is its phase << 64 plus its number within the phase."""

    def __init__(self, chain: Chain, address: AddressLike) -> None:
        self.contract: Contract = chain.contract(_PROXY, address)

    def phase(self) -> int:
        """The phase in use now."""
        return int(self.contract.call.phaseId())

    def round(self, phase: int, number: int) -> Round | None:
        """A round by its number from 1 on; None where there is none."""
        try:
            data = self.contract.call.getRoundData(phase << 64 | number)
        except Revert:
            return None
        return (
            Round(phase << 64 | number, min(data.startedAt, data.updatedAt), data.updatedAt) if data.updatedAt else None
        )

    def first_after(self, phase: int, time: int) -> Round | None:
        """The first round of a phase observed after a time; None before there is one."""
        # Rounds come on chain in their order, but clocks differ: what was seen later comes on chain later.
        number = self._transmitted_by(phase, time) + 1
        while (found := self.round(phase, number)) is not None and found.observed <= time:
            number += 1
        return found

    def last_by(self, phase: int, time: int) -> int:
        """Id of the last round on chain by a time; the phase's first if all came later; 0 if there is none at all."""
        number = max(1, self._transmitted_by(phase, time))
        return 0 if self.round(phase, number) is None else phase << 64 | number

    def _transmitted_by(self, phase: int, time: int) -> int:
        """How many rounds of a phase were on chain by a time: halving, some thirty questions."""

        def transmitted(number: int) -> int:
            found = self.round(phase, number)
            return time + 1 if found is None else found.transmitted

        return bisect_right(range(1, MOST_ROUNDS), time, key=transmitted)


def view(name: str, inputs: Sequence[str], outputs: Sequence[str]) -> dict[str, Any]:
    """The ABI of a function that changes nothing; parameters as "type name"."""

    def params(listed: Sequence[str]) -> list[dict[str, str]]:
        return [dict(zip(("type", "name"), entry.split(), strict=True)) for entry in listed]

    entry = {"type": "function", "stateMutability": "view", "name": name}
    return entry | {"inputs": params(inputs), "outputs": params(outputs)}


_PROXY = [
    view("phaseId", [], ["uint16 phase"]),
    view(
        "getRoundData",
        ["uint80 id"],
        ["uint80 roundId", "int256 answer", "uint256 startedAt", "uint256 updatedAt", "uint80 answeredInRound"],
    ),
]
