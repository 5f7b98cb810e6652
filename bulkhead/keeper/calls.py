"""From an intent to the transaction that carries it out, tried out against the newest block."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bulkhead.chain import Address
from bulkhead.keeper.policy import Intent
from bulkhead.keeper.settings import Job
from bulkhead.keeper.view import or_none
from bulkhead.protocol.market import Market


class Call(NamedTuple):
    """A transaction to send, and what it will carry out of the intent."""

    intent: Intent
    to: Address
    data: bytes


def call_of(intent: Intent, market: Market, me: Address) -> Call | None:
    """The transaction of an intent as sent by `me`, proof included; None where nothing is left of it.

    Raises Revert where the contract refuses it, LookupError where no feeds are known to prove prices with.
    """
    contract, pool, oracle = market.contract, market.pool.contract, market.oracle
    if intent.job is Job.EXECUTE:
        (vault,) = intent.targets
        proof = oracle.prove(lambda proof: contract.call.execute(vault, proof, sender=me))
        return Call(intent, market.address, contract.encode.execute(vault, proof))
    if intent.job is Job.EXIT:
        proof = oracle.prove(lambda proof: pool.call.executeExit(proof, sender=me))
        return Call(intent, pool.address, pool.encode.executeExit(proof))
    if intent.job is Job.OUTAGE:
        return Call(intent, oracle.address, oracle.contract.encode.checkOutage())
    if intent.job is Job.CLOSE_AT_RESERVE:
        (vault,) = intent.targets
        contract.call.closeAtReserve(vault, sender=me)
        return Call(intent, market.address, contract.encode.closeAtReserve(vault))
    name = "liquidate" if intent.job is Job.LIQUIDATE else "settle"
    rest = _those_that_pass(intent, lambda vaults: int(getattr(contract.call, name)(vaults, sender=me)))
    return Call(rest, market.address, getattr(contract.encode, name)(rest.targets)) if rest.targets else None


def _those_that_pass(intent: Intent, tried: Callable[[list[str]], int]) -> Intent:
    """A batch without the positions that the chain would skip, or that make it fail."""

    def passes(vaults: list[str]) -> bool:
        return bool(or_none(lambda: tried(vaults)) == len(vaults))

    vaults = list(intent.targets)
    if passes(vaults):
        return intent
    passing = tuple(vault for vault in vaults if passes([vault]))
    return Intent(intent.job, passing, intent.pay * len(passing) // len(vaults))
