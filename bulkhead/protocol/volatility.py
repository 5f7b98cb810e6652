"""The volatility of an index, and the upkeep of its feed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from bulkhead.chain import Address, Chain
from bulkhead.chain.base import AddressLike
from bulkhead.protocol.errors import TypedContract
from bulkhead.protocol.events import Skipped, Updated
from bulkhead.protocol.oracle import Oracle
from bulkhead.protocol.units import WAD, short, to_datetime, to_decimal


class Due(NamedTuple):
    """The next grid point: is it to be updated, or to be skipped, and its time."""

    update: bool
    skip: bool
    time: datetime


class Volatility:
    """A feed of volatility on the prices of an oracle. Volatilities are fractions a year."""

    def __init__(self, chain: Chain, address: AddressLike, oracle: Oracle) -> None:
        self.chain, self.oracle = chain, oracle
        self.contract = TypedContract(chain, "VolatilityFeed", address)

    @property
    def address(self) -> Address:
        """Where it is."""
        return self.contract.address

    @property
    def fast(self) -> Decimal:
        """With the shorter memory."""
        return to_decimal(self.contract.call.fast(), WAD)

    @property
    def slow(self) -> Decimal:
        """With the longer memory."""
        return to_decimal(self.contract.call.slow(), WAD)

    @property
    def ramped(self) -> Decimal:
        """What follows the larger of both, at most by the ramp: maintenance goes by it."""
        return to_decimal(self.contract.call.ramped(), WAD)

    def due(self) -> Due:
        """What upkeep there is."""
        due = self.contract.call.due()
        return Due(due.isDue, due.expired, to_datetime(due.time))

    def update(self, proof: bytes | None = None, *, sender: AddressLike = None) -> Updated:
        """Takes the next grid point's price; passes it over where that is disputed or invalid. Anyone may.

        Raises PriceNotThereYet, ProofInvalid, PointExpired, and whatever else the oracle raises.
        """
        if proof is None:
            proof = self.oracle.prove(lambda tried: self.contract.call.update(tried))
        (event,) = Updated.of(self.contract.send.update(proof, sender=sender).events, self.address, WAD)
        return event

    def skip(self, *, sender: AddressLike = None) -> Skipped:
        """Gives up a grid point that nobody proved in its life. Anyone may. Raises PointNotExpired."""
        (event,) = Skipped.of(self.contract.send.skip(sender=sender).events, self.address, WAD)
        return event

    def __repr__(self) -> str:
        return f"<Volatility at {short(self.address)}>"
