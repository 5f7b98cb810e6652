"""From an intent to the transaction that carries it out, tried out against the newest block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bulkhead.chain import Address
from bulkhead.keeper.adapter import Adapter
from bulkhead.keeper.policy import EXPIRED_POINT, TURN, Intent, Step
from bulkhead.keeper.pulled import Pulled
from bulkhead.keeper.settings import Job
from bulkhead.keeper.state_reader import or_none
from bulkhead.keeper.terms import Options, Terms
from bulkhead.protocol.market import Market
from bulkhead.protocol.oracle import Oracle


class Call(NamedTuple):
    """A transaction to send, and what it will carry out of the intent. `value` is native; `gas` 0: ask the node."""

    intent: Intent
    to: Address
    data: bytes
    value: int = 0
    gas: int = 0


def call_of(
    intent: Intent,
    market: Market,
    me: Address,
    terms: Terms | None = None,
    pulled: Pulled | None = None,
    adapter: Adapter | None = None,
) -> Call | None:
    """The transaction of an intent as sent by `me`, proof included; None where nothing is left of it.

    `terms` name the feed of volatility and what options need, `pulled` brings prices where those of the oracle are
    Pyth's, liquidations go by way of an `adapter`.

    Raises Revert where the contract refuses it, LookupError where no feeds are known to prove prices with, or a price
    is disputed.
    """
    contract, pool, oracle = market.contract, market.pool.contract, market.oracle
    by = _Prover(intent, market, me, pulled)
    if intent.job is Job.EXECUTE:
        (vault,) = intent.targets
        return by.call(
            oracle,
            market.address,
            lambda proof: contract.call.execute([vault], proof, sender=me),
            lambda proof: contract.encode.execute([vault], proof),
        )
    if intent.job is Job.EXIT:
        execute = pool.encode.executeExit
        return by.call(oracle, pool.address, lambda proof: pool.call.executeExit(proof, sender=me), execute)
    if intent.job is Job.OUTAGE:
        return Call(intent, oracle.address, oracle.contract.encode.checkOutage())
    if intent.job is Job.VOLATILITY:
        return None if terms is None else _call_of_volatility(intent, terms, me, by)
    if intent.job is Job.FIX:
        return None if terms is None or terms.options is None else _call_of_fixing(intent, terms.options, me, by)
    if intent.job is Job.CLOSE_AT_RESERVE:
        (vault,) = intent.targets
        contract.call.closeAtReserve(vault, sender=me)
        return Call(intent, market.address, contract.encode.closeAtReserve(vault))
    name = "liquidate" if intent.job is Job.LIQUIDATE else "settle"
    rest = _those_that_pass(intent, lambda vaults: int(getattr(contract.call, name)(vaults, sender=me)))
    if adapter is not None and rest.targets and intent.job is Job.LIQUIDATE:
        return Call(rest, adapter.address, adapter.liquidating(rest.targets))
    return Call(rest, market.address, getattr(contract.encode, name)(rest.targets)) if rest.targets else None


class _Prover(NamedTuple):
    """Makes a call that takes the proof of a first price."""

    intent: Intent
    market: Market
    me: Address
    pulled: Pulled | None

    def call(
        self, oracle: Oracle, to: Address, asked: Callable[[bytes], Any], encoded: Callable[[bytes], bytes]
    ) -> Call:
        """`asked` simulates it with a proof, `encoded` is its data. What is pulled are the market oracle's prices."""
        if self.pulled is None or oracle is not self.market.oracle:
            return Call(self.intent, to, encoded(oracle.prove(asked)))
        found = self.pulled.prove(self.market, to, asked, encoded, self.me)
        if isinstance(found, bytes):
            return Call(self.intent, to, encoded(found))
        return Call(self.intent, *found)


def _call_of_volatility(intent: Intent, terms: Terms, me: Address, by: _Prover) -> Call | None:
    options, feed = terms.options, terms.volatility
    if intent.targets == (TURN,):
        return None if options is None else Call(intent, options.path.address, options.path.encode.follow())
    if feed is None:
        return None
    contract = feed.contract
    if intent.targets == (EXPIRED_POINT,):
        contract.call.skip(sender=me)
        return Call(intent, feed.address, contract.encode.skip())
    update = contract.encode.update
    return by.call(feed.oracle, feed.address, lambda proof: contract.call.update(proof, sender=me), update)


def _call_of_fixing(intent: Intent, options: Options, me: Address, by: _Prover) -> Call | None:
    """A disputed sample is not sent: it would cost gas and stay unproven."""
    fixing, oracle = options.fixing, by.market.oracle
    step, *numbers = intent.targets[0].split()
    expiry, place = map(int, numbers)
    if step != Step.PROVE:
        return Call(intent, fixing.address, getattr(fixing.encode, step)(expiry))
    sample = fixing.call.samplesOf(expiry).samples[place]
    if sample.proven:
        return None

    def first(proof: bytes) -> None:
        if not oracle.contract.call.firstAfter(sample.phase, sample.time, proof, sender=me).undisputed:
            raise LookupError(f"The first price after {sample.time} is disputed: this sample cannot be proven.")

    return by.call(oracle, fixing.address, first, lambda proof: fixing.encode.prove(expiry, [b""] * place + [proof]))


def _those_that_pass(intent: Intent, tried: Callable[[list[str]], int]) -> Intent:
    """A batch without the positions that the chain would skip, or that make it fail."""

    def passes(vaults: list[str]) -> bool:
        return bool(or_none(lambda: tried(vaults)) == len(vaults))

    vaults = list(intent.targets)
    if passes(vaults):
        return intent
    passing = tuple(vault for vault in vaults if passes([vault]))
    return Intent(intent.job, passing, intent.pay * len(passing) // len(vaults))
