"""Transactions from one key: fees with a cap, nonces without gaps, sent again for more, never over the day's budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from eth_account import Account

from bulkhead.chain import Address, ChainError, NodeError, Revert, Web3Chain, keccak, to_address
from bulkhead.keeper.follower import Header
from bulkhead.keeper.ledger import Flight, Ledger
from bulkhead.keeper.policy import UPKEEP, Intent
from bulkhead.keeper.settings import Job, Settings
from bulkhead.keeper.submit import PublicSubmitter, Submitter

#: What nodes (geth, anvil, reth, nethermind) say of a transaction that they have already.
_KNOWN = ("already known", "already imported", "alreadyknown", "known transaction")


class Fees(NamedTuple):
    """Wei a unit of gas: to the block's maker, and the most for all."""

    tip: int
    price: int


class Landed(NamedTuple):
    """What became of a flight: what it has cost, wei, and the node's receipt; None if another took its nonce.

    `left_out`: no block took it, and it has cost nothing.
    """

    flight: Flight
    wei: int
    receipt: dict[str, Any] | None
    left_out: bool = False


class OverBudget(ChainError):
    """A transaction that the day's budget does not allow; nothing was sent."""

    def __init__(self, cost: int, left: int) -> None:
        super().__init__(f"It may cost {cost} wei, and {left} are left of the day's budget.")


class Sender:
    """Sends for a private key, by way of `submitter` (default: the chain's node).

    `ledger` remembers, from before each sending on; what is under way for other keys is none of its business, what
    they spend is: budgets are the keeper's.
    """

    def __init__(
        self, chain: Web3Chain, key: Any, ledger: Ledger, settings: Settings, submitter: Submitter | None = None
    ) -> None:
        self._chain, self._ledger, self._settings = chain, ledger, settings
        self._submitter = submitter or PublicSubmitter(chain)
        self._account = key if hasattr(key, "sign_transaction") else Account.from_key(key)
        self.address: Address = to_address(self._account.address)

    def fees(self) -> Fees | None:
        """For the next block: twice its base fee and the tip that the node suggests, at most the cap.

        None while even the next block asks for more than the cap.
        """
        cap = self._settings.fee_cap
        base = int(self._chain.rpc("eth_getBlockByNumber", "latest", False).get("baseFeePerGas", "0x0"), 16)
        tip = min(int(self._chain.rpc("eth_maxPriorityFeePerGas"), 16), max(cap - base, 0))
        return Fees(tip, min(2 * base + tip, cap)) if base < cap else None

    def flights(self) -> list[Flight]:
        """What is under way from this key."""
        return self._ledger.flights(self.address)

    def can_pay(self, wei: int) -> bool:
        """Is so much there beside what its flights may cost?"""
        return self._chain.balance(self.address) >= wei + sum(flight.cost for flight in self.flights())

    def send(
        self, intent: Intent, to: Address, data: bytes, gas: int, fees: Fees, head: Header, value: int = 0
    ) -> Flight:
        """Signs, writes down, sends what was tried out at `head`.

        Raises OverBudget, and the node's refusal, after which nothing is under way. A node that does not answer may
        have taken it: it stays under way, and `tend` sends it again.
        """
        self._require_budget(intent.job, gas * fees.price + value, head.time)
        what = (self._nonce(), intent, to, "0x" + data.hex(), gas)
        blocks = self._submitter.blocks
        last = self._chain.block_number + 2 * blocks if blocks else 0  # while it is handed over, blocks go by
        flight = self._signed(Flight(*what, *fees, head.time, "", (), self.address, value, head.number, last))
        self._ledger.sends(flight)
        try:
            self._broadcast(flight)
        except NodeError:
            self._ledger.lands(flight, 0, head.time)
            raise
        return flight

    def tend(self, now: int) -> Iterator[Landed]:
        """Looks after what is under way: gives what was mined or left out, sends again what waits for too long.

        Who takes what is given tells the ledger that it has landed.
        """
        flights, left_out = self.flights(), False
        mined = self._chain.nonce(self.address) if flights else 0
        for flight in flights:
            receipt = self._receipt(flight.hashes)
            if receipt is not None:
                wei = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
                wei += flight.value if int(receipt["status"], 16) else 0
            elif flight.nonce < mined:
                wei = flight.cost  # somebody else's with this key, or a node that lags behind: reckon the worst
            elif flight.last:
                left_out = left_out or self._is_left_out(flight)  # and what is behind it can be taken by none
                if left_out:
                    yield Landed(flight, 0, None, left_out=True)
                continue
            else:
                if now >= flight.sent_at + self._settings.patience:
                    self._send_again(flight, now)
                continue
            yield Landed(flight, wei, receipt)

    def _is_left_out(self, flight: Flight) -> bool:
        """No block will take it, or not the next one: it would fail there.

        Should a later one take it all the same, then in the place of what has its nonce by then and is reckoned.
        """
        if self._chain.block_number > flight.last:
            return True
        data = bytes.fromhex(flight.data[2:])
        try:
            self._chain.call(flight.to, data, sender=self.address, value=flight.value, gas=flight.gas)
        except Revert:
            return True
        return False

    def _send_again(self, flight: Flight, now: int) -> None:
        """For an eighth more, as nodes ask for, where cap and budget allow it; else as it was, if it was forgotten."""
        fees = self.fees() or Fees(0, 0)
        tip, price = max(flight.tip * 9 // 8 + 1, fees.tip), max(flight.price * 9 // 8 + 1, fees.price)
        dearer = replace(flight, tip=min(tip, price), price=price, sent_at=now)
        try:
            if price <= self._settings.fee_cap:
                self._require_budget(flight.intent.job, dearer.cost - flight.cost, now)
                flight = self._signed(dearer)
                self._ledger.sends(flight)
            self._broadcast(flight)
        except (NodeError, OverBudget):
            pass  # mined meanwhile, or too dear: the next look tells

    def _require_budget(self, job: Job, more: int, now: int) -> None:
        left = self._settings.daily_budget - self._ledger.committed(now)
        if job in UPKEEP:
            left = min(left, self._settings.upkeep_budget - self._ledger.committed(now, UPKEEP))
        if more > left:
            raise OverBudget(more, left)

    def _nonce(self) -> int:
        """The first that neither the node nor the ledger knows of: a gap is filled before anything is put behind it."""
        taken = {flight.nonce for flight in self.flights()}
        nonce = self._chain.nonce(self.address, pending=True)
        while nonce in taken:
            nonce += 1
        return nonce

    def _signed(self, flight: Flight) -> Flight:
        fields = {"to": flight.to, "data": flight.data, "gas": flight.gas, "nonce": flight.nonce, "value": flight.value}
        fees = {"maxPriorityFeePerGas": flight.tip, "maxFeePerGas": flight.price, "chainId": self._chain.chain_id}
        raw = bytes(self._account.sign_transaction({**fields, **fees}).raw_transaction)
        return replace(flight, raw="0x" + raw.hex(), hashes=(*flight.hashes, "0x" + keccak(raw).hex()))

    def _broadcast(self, flight: Flight) -> None:
        try:
            self._submitter.submit(flight.raw)
        except NodeError as error:
            if not any(phrase in error.message.lower() for phrase in _KNOWN):
                raise

    def _receipt(self, hashes: Sequence[str]) -> dict[str, Any] | None:
        for tx_hash in reversed(hashes):
            found: dict[str, Any] | None = self._chain.rpc("eth_getTransactionReceipt", tx_hash)
            if found is not None and found.get("blockNumber") is not None:
                return found
        return None
