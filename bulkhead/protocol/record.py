"""The deployment record: a JSON file that says what stands where, and lets an interrupted deployment go on.

A step is written down before its transaction is sent, with the sender's nonce, from which the new contract's address
follows; and again when it was mined. Whatever moment a run dies in, the next one can tell whether the contract exists.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bulkhead.build import SETTINGS
from bulkhead.chain import Address, ChainError, Receipt, Web3Chain, keccak, to_address
from bulkhead.protocol.deployment import Journal, Step
from bulkhead.protocol.networks import LOCAL_CHAINS

VERSION = 1


class RecordError(ChainError):
    """A deployment record that does not fit what is to be deployed, or what is on the chain."""


class Record(Journal):
    """The record of one network, bound to its chain.

    file     read if it exists, replaced at once at every change
    network  its name; `digest` is the hash of its configuration; `compiler` the version that made the bytecode
    sender   who pays; None takes the one of the record

    `watch` is told every step before it is sent. On a local chain the record of an earlier one is dropped.
    Raises RecordError for a record of another chain, configuration or sender, and while transactions of the sender wait
    to be mined: nobody could tell which contracts they make.
    """

    def __init__(
        self, file: Path, chain: Web3Chain, sender: str | None, network: str, digest: str, compiler: str
    ) -> None:
        self.file, self._chain = file, chain
        self.watch: Callable[[Step], None] = lambda step: None
        genesis = chain.rpc("eth_getBlockByNumber", "0x0", False)["hash"]
        self.content: dict[str, Any] = {
            "version": VERSION,
            "network": network,
            "chain_id": chain.chain_id,
            "genesis": genesis,
            "configuration": digest,
            "compiler": {"version": compiler, "settings": SETTINGS},
            "deployer": sender,
            "steps": {},
        }
        if file.exists():
            self._take_over(_read(file))
        self.sender: Address | None = None if self.content["deployer"] is None else to_address(self.content["deployer"])
        if self.sender is not None:
            self._settle(self.sender)

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        """By label, in order: all of them are on the chain, except while one is being sent."""
        steps: dict[str, dict[str, Any]] = self.content["steps"]
        return steps

    def compare(self, step: Step, address: Address, code: bytes) -> None:
        """Raises RecordError unless a recorded step is this very one, and this very code stands on the chain."""
        entry = self.steps[step.label]
        if entry["data_hash"] != _hash(step.data) or entry["address"] != address:
            raise RecordError(
                f"{self.file} was made with other bytecode ({step.label} differs): go back to the sources it was made "
                "from, or move it away to deploy anew."
            )
        # RevmChain, where `code` comes from, appends zero bytes: the EVM stops there anyway.
        if step.address is None and self._chain.code(address).rstrip(b"\0") != code.rstrip(b"\0"):
            raise RecordError(
                f"The code at {address} is not our {step.label}, though {self.file} says so: move that file away."
            )

    # --- as the deployment's journal

    def found(self, step: Step) -> Address | None:
        """Where a recorded step's contract is."""
        entry = self.steps.get(step.label)
        return None if entry is None else to_address(entry["address"])

    def begins(self, step: Step) -> None:
        """Writes down what is about to be sent."""
        assert self.sender is not None
        self.watch(step)
        nonce = self._chain.nonce(self.sender, pending=True)
        self._write(step, "sent", step.address or created(self.sender, nonce), nonce)
        self._save()

    def done(self, step: Step, address: Address, receipt: Receipt | None, **facts: str) -> None:
        """Writes down what was mined."""
        if step.label not in self.steps:  # anybody may create the market of this configuration
            self._write(step, "done", address, None)
        entry = self.steps[step.label] | facts
        if receipt is not None:
            mined = {"tx": receipt.tx_hash, "block": receipt.block_number, "gas": receipt.gas_used}
            entry |= {"status": "done", "address": address, **mined}
        self.steps[step.label] = entry
        self._save()

    def finish(self, markets: dict[str, dict[str, str]]) -> None:
        """Writes down the addresses that users want, by market: volatility, fixings, adapter where it has them."""
        for name, parts in markets.items():
            for part in ("volatility", "fixing", "adapter"):
                if (step := self.steps.get(f"{name} {part}")) is not None:
                    parts[part] = step["address"]
        self.content["markets"] = markets
        self._save()

    # --- the file

    def _write(self, step: Step, status: str, address: Address, nonce: int | None) -> None:
        self.steps[step.label] = {
            "status": status,
            "contract": step.contract,
            "address": address,
            "nonce": nonce,
            "arguments": _readable(step.args),
            "encoded": "0x" + step.encoded.hex(),
            "data_hash": _hash(step.data),
        }

    def _take_over(self, old: dict[str, Any]) -> None:
        new = self.content
        if old.get("version") != VERSION:
            raise RecordError(f"{self.file} is no deployment record of this version: move it away.")
        if (old["chain_id"], old["genesis"]) != (new["chain_id"], new["genesis"]):
            if old["chain_id"] in LOCAL_CHAINS and new["chain_id"] in LOCAL_CHAINS:
                return
            raise RecordError(f"{self.file} is of another chain: move it away, or name another --record.")
        if old["configuration"] != new["configuration"]:
            raise RecordError(
                f"{self.file} was made with a different configuration: use that one again, or move the record away to "
                "deploy anew."
            )
        if new["deployer"] not in (None, old["deployer"]):
            raise RecordError(f"{self.file} was begun by {old['deployer']}: go on with that account.")
        self.content = old

    def _settle(self, sender: Address) -> None:
        """Keeps the steps that are on the chain. A nonce is used once, so the rest was not sent, or failed."""
        if self._chain.nonce(sender, pending=True) > self._chain.nonce(sender):
            raise RecordError(f"Transactions of {sender} wait to be mined: run this again when they have been.")
        kept: dict[str, dict[str, Any]] = {}
        for label, entry in self.steps.items():
            if not self._chain.code(entry["address"]):
                break
            kept[label] = {**entry, "status": "done"}
        self.content["steps"] = kept

    def _save(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=2) + "\n")
        part.replace(self.file)


def created(sender: str, nonce: int) -> Address:
    """Where the contract lands that `sender` creates with this nonce."""
    from web3.utils import get_create_address

    return to_address(get_create_address(sender, nonce))  # type: ignore[arg-type]


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise RecordError(f"{file} is no deployment record: move it away.")
    return content


def _hash(data: bytes) -> str:
    return "0x" + keccak(data).hex()


def _readable(value: Any) -> Any:
    """Arguments as JSON; bytes, and integers that other readers of JSON would round, are strings."""
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return str(value)
    return value
