"""Transactions from one key: fees with a cap, nonces without gaps, sent again for more, never over the day's budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from eth_account import Account

from bulkhead.chain import Address, ChainError, NodeError, Web3Chain, keccak, to_address
from bulkhead.keeper.ledger import Flight, Ledger
from bulkhead.keeper.policy import Intent
from bulkhead.keeper.settings import Settings

#: What nodes (geth, anvil, reth, nethermind) say of a transaction that they have already.
_KNOWN = ("already known", "already imported", "alreadyknown", "known transaction")


class Fees(NamedTuple):
    """Wei a unit of gas: to the block's maker, and the most for all."""

    tip: int
    price: int


class Landed(NamedTuple):
    """What became of a flight: what it has cost, wei, and the node's receipt; None if another took its nonce."""

    flight: Flight
    wei: int
    receipt: dict[str, Any] | None


class OverBudget(ChainError):
    """A transaction that the day's budget does not allow; nothing was sent."""

    def __init__(self, cost: int, left: int) -> None:
        super().__init__(f"It may cost {cost} wei, and {left} are left of the day's budget.")


class Sender:
    """Sends for a private key. `ledger` remembers, from before each sending on."""

    def __init__(self, chain: Web3Chain, key: Any, ledger: Ledger, settings: Settings) -> None:
        self._chain, self._ledger, self._settings = chain, ledger, settings
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

    def send(self, intent: Intent, to: Address, data: bytes, gas: int, fees: Fees, now: int) -> Flight:
        """Signs, writes down, sends. Raises OverBudget, and the node's refusal, after which nothing is under way.

        A node that does not answer may have taken it: it stays under way, and `tend` sends it again.
        """
        self._require_budget(gas * fees.price, now)
        flight = self._signed(Flight(self._nonce(), intent, to, "0x" + data.hex(), gas, *fees, now, "", ()))
        self._ledger.sends(flight)
        try:
            self._broadcast(flight)
        except NodeError:
            self._ledger.lands(flight, 0, now)
            raise
        return flight

    def tend(self, now: int) -> Iterator[Landed]:
        """Looks after what is under way: gives what was mined, sends again what waits for too long.

        Who takes what was mined tells the ledger that it has landed.
        """
        flights = self._ledger.flights()
        mined = self._chain.nonce(self.address) if flights else 0
        for flight in flights:
            receipt = self._receipt(flight.hashes)
            if receipt is not None:
                wei = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
            elif flight.nonce < mined:
                wei = flight.cost  # somebody else's with this key, or a node that lags behind: reckon the worst
            else:
                if now >= flight.sent_at + self._settings.patience:
                    self._send_again(flight, now)
                continue
            yield Landed(flight, wei, receipt)

    def _send_again(self, flight: Flight, now: int) -> None:
        """For an eighth more, as nodes ask for, where cap and budget allow it; else as it was, if it was forgotten."""
        fees = self.fees() or Fees(0, 0)
        tip, price = max(flight.tip * 9 // 8 + 1, fees.tip), max(flight.price * 9 // 8 + 1, fees.price)
        dearer = replace(flight, tip=min(tip, price), price=price, sent_at=now)
        try:
            if price <= self._settings.fee_cap:
                self._require_budget(dearer.cost - flight.cost, now)
                flight = self._signed(dearer)
                self._ledger.sends(flight)
            self._broadcast(flight)
        except (NodeError, OverBudget):
            pass  # mined meanwhile, or too dear: the next look tells

    def _require_budget(self, more: int, now: int) -> None:
        left = self._settings.daily_budget - self._ledger.committed(now)
        if more > left:
            raise OverBudget(more, left)

    def _nonce(self) -> int:
        """The first that neither the node nor the ledger knows of: a gap is filled before anything is put behind it."""
        taken = {flight.nonce for flight in self._ledger.flights()}
        nonce = self._chain.nonce(self.address, pending=True)
        while nonce in taken:
            nonce += 1
        return nonce

    def _signed(self, flight: Flight) -> Flight:
        fields = {"to": flight.to, "data": flight.data, "gas": flight.gas, "nonce": flight.nonce, "value": 0}
        fees = {"maxPriorityFeePerGas": flight.tip, "maxFeePerGas": flight.price, "chainId": self._chain.chain_id}
        raw = bytes(self._account.sign_transaction({**fields, **fees}).raw_transaction)
        return replace(flight, raw="0x" + raw.hex(), hashes=(*flight.hashes, "0x" + keccak(raw).hex()))

    def _broadcast(self, flight: Flight) -> None:
        try:
            self._chain.rpc("eth_sendRawTransaction", flight.raw)
        except NodeError as error:
            if not any(phrase in error.message.lower() for phrase in _KNOWN):
                raise

    def _receipt(self, hashes: Sequence[str]) -> dict[str, Any] | None:
        for tx_hash in reversed(hashes):
            found: dict[str, Any] | None = self._chain.rpc("eth_getTransactionReceipt", tx_hash)
            if found is not None and found.get("blockNumber") is not None:
                return found
        return None
