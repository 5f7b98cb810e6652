"""The EVM in this process: revm through pyrevm, as near to whole transactions as it gets.

What differs from a node, on purpose or because pyrevm has no more to give:
- Many transactions share a block until `mine()`; each has fresh transient storage.
- Nonces count deployments only; there are no transaction hashes, fees, block hashes or mempool.
- `gas_used` is the whole transaction's, but storage and accounts touched by any earlier transaction count as warm,
  and refunds refer to a slot's first value ever. It is therefore at most what a node charges. Measure gas on anvil.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bulkhead.chain.address import Address, labelled, to_address
from bulkhead.chain.base import BLOCK_SECONDS, RICH, AddressLike, LocalBase
from bulkhead.chain.errors import ChainError, Rejected, Revert, SnapshotLost
from bulkhead.chain.receipt import Event, Log, Receipt, decode_logs

#: Snapshots open at a time: revm counts them towards the 1,024 of the call stack.
MAX_SNAPSHOTS = 512

#: The first three of anvil's accounts, so that a scenario has the same actors everywhere.
_ACCOUNTS = (
    Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
    Address("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
)


class RevmChain(LocalBase):
    """A local chain in this process, prague rules, code size limits on. Anyone without code may send; gas is free.

    chain_id    as contracts see it
    timestamp   of the first block, seconds
    gas_limit   of a block and of each transaction
    keep_logs   remember logs for `logs()`; receipts have theirs either way
    """

    def __init__(
        self,
        chain_id: int = 31337,
        timestamp: int = 1_700_000_000,
        gas_limit: int = 30_000_000,
        keep_logs: bool = True,
    ) -> None:
        import pyrevm

        super().__init__()
        self._pyrevm = pyrevm
        self._chain_id, self._gas_limit, self._keep_logs = chain_id, gas_limit, keep_logs
        self._number, self._time = 1, timestamp
        env = pyrevm.Env(cfg=pyrevm.CfgEnv(chain_id=chain_id), block=self._block())
        self._evm = pyrevm.EVM(env=env, gas_limit=gas_limit, spec_id="PRAGUE")
        #: `storage` for fuzzers: a word by checksummed address and slot.
        self.read: Callable[[str, int], int] = self._evm.storage
        self._logs: list[Log] = []
        self._accounts = list(_ACCOUNTS)
        # Per open snapshot: id, revm's checkpoint, block, time, lengths of _logs, _accounts and _undo.
        self._snapshots: list[tuple[int, Any, int, int, int, int, int]] = []
        self._next_snapshot = 1
        # What revm forgets to undo: address, wei added, code before (None: untouched).
        self._undo: list[tuple[str, int, bytes | None]] = []
        for account in self._accounts:
            self._evm.set_balance(account, RICH)

    # --- what a chain tells

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self._chain_id

    @property
    def block_number(self) -> int:
        """The block that a transaction sent now is part of."""
        return self._number

    @property
    def timestamp(self) -> int:
        """That block's time, seconds."""
        return self._time

    @property
    def accounts(self) -> Sequence[Address]:
        """Funded addresses: three of anvil's and all `new_account`s."""
        return tuple(self._accounts)

    def balance(self, address: AddressLike) -> int:
        """Wei."""
        return self._evm.get_balance(to_address(address))

    def code(self, address: AddressLike) -> bytes:
        """Deployed code, b"" for none."""
        return bytes(self._evm.get_code(to_address(address)) or b"")

    def storage(self, address: AddressLike, slot: int) -> int:
        """The word in a slot."""
        return self._evm.storage(to_address(address), slot)

    def logs(
        self,
        address: AddressLike = None,
        names: Iterable[str] = (),
        *,
        from_block: int = 0,
        to_block: int | None = None,
    ) -> list[Event]:
        """Decoded events of an address (None: of all) with these names (none: all), oldest first.

        Raises ChainError for a name of no registered ABI, or on a chain made with keep_logs=False.
        """
        if not self._keep_logs:
            raise ChainError("This RevmChain keeps no logs: make it with keep_logs=True.")
        topics = self.registry.topics(names)
        where = None if address is None else to_address(address)
        last = self._number if to_block is None else to_block
        found = [
            log
            for log in self._logs
            if from_block <= log.block_number <= last
            and (where is None or log.address == where)
            and (not topics or (log.topics and log.topics[0] in topics))
        ]
        return decode_logs(found, self.registry)

    # --- calls and transactions

    def call(
        self,
        to: AddressLike,
        data: bytes,
        *,
        sender: AddressLike = None,
        value: int = 0,
        block: int | None = None,
    ) -> bytes:
        """The bytes a call returns; its changes are undone. Raises Revert, and ChainError for a past `block`."""
        if block is not None and block != self._number:
            raise ChainError(f"RevmChain has no past: block {block} cannot be asked, only {self._number}.")
        evm, caller = self._evm, _ACCOUNTS[0] if sender is None else to_address(sender)
        checkpoint = evm.snapshot()
        try:
            return self._run(to_address(to), data, caller, value, None)
        finally:
            evm.revert(checkpoint)

    def send(
        self,
        to: AddressLike,
        data: bytes = b"",
        *,
        sender: AddressLike = None,
        value: int = 0,
        gas: int | None = None,
    ) -> Receipt:
        """A whole transaction: all of it happens, or it raises Revert or Rejected and nothing has happened."""
        returned = self._run(to_address(to), data, self._from(sender), value, gas)
        return self._receipt(return_data=returned)

    def send_raw(self, to: str, data: bytes, sender: str, value: int = 0) -> bytes:
        """`send` for fuzzers: bytes instead of a receipt. Raises Revert or Rejected. Addresses are strings."""
        returned = self._run(to, data, sender, value, None)
        if self._keep_logs and self._evm.result.logs:  # type: ignore[union-attr]
            self._take_logs()
        return returned

    def attempt(self, to: str, data: bytes, sender: str, value: int = 0) -> tuple[bool, bytes]:
        """`send_raw` that reports instead of raising: (True, returned) or (False, revert data; b"" for a halt)."""
        try:
            return True, self.send_raw(to, data, sender, value)
        except Revert as revert:
            return False, revert.data

    def _run(self, to: str, data: bytes, sender: str, value: int, gas: int | None) -> bytes:
        evm = self._evm
        evm.reset_transient_storage()
        try:
            return evm.message_call(sender, to, data, value, gas)
        except RuntimeError as error:
            raise self._failure(str(error)) from None

    def _create(self, init_code: bytes, sender: Address, value: int) -> Receipt:
        self._evm.reset_transient_storage()
        try:
            made = self._evm.deploy(sender, init_code, value)
        except RuntimeError as error:
            raise self._failure(str(error)) from None
        return self._receipt(contract_address=to_address(made))

    def _receipt(self, contract_address: Address | None = None, return_data: bytes | None = None) -> Receipt:
        result = self._evm.result
        assert result is not None
        logs = self._take_logs() if result.logs else ()
        return Receipt(
            None,
            self._number,
            self._time,
            result.gas_used,
            logs,
            self.registry,
            contract_address,
            return_data,
        )

    def _take_logs(self) -> Sequence[Log]:
        start = self._logs[-1].log_index + 1 if self._logs and self._logs[-1].block_number == self._number else 0
        logs = []
        for index, raw in enumerate(self._evm.result.logs, start):  # type: ignore[union-attr]
            topics, data = raw.data
            logs.append(Log(to_address(raw.address), tuple(topics), data, self._number, None, index))
        if self._keep_logs:
            self._logs += logs
        return logs

    def _failure(self, text: str) -> ChainError:
        """pyrevm tells what happened only in the exception's text."""
        kind, _, rest = text.partition(" { ")
        if kind == "Revert":
            return Revert(bytes.fromhex(rest.partition("output: 0x")[2].removesuffix(" }")), self.registry)
        if kind == "Halt":
            return Revert(b"", self.registry, reason=rest.partition("reason: ")[2].partition(", gas_used")[0])
        if "RejectCallerWithCode" in text:
            return Rejected("the sender is a contract (EIP-3607); only AnvilChain can pretend to be one.")
        return Rejected(text.removeprefix("Transaction(").removesuffix(")"))

    # --- what only a local chain can do

    def new_account(self, label: str) -> Address:
        """An address with ether, the same for the same label on every local chain."""
        account = labelled(label)
        if account not in self._accounts:
            self._accounts.append(account)
            self.set_balance(account, RICH)
        return account

    def set_time(self, timestamp: int) -> None:
        """Go to the next block at this time, seconds. Raises ChainError for a time before the present one."""
        if timestamp < self._time:
            raise ChainError(
                f"Time only goes forward: {timestamp} is before {self._time}; revert to a snapshot instead."
            )
        self._set_block(self._number + 1, timestamp)

    def mine(self, blocks: int = 1, seconds: int | None = None) -> None:
        """Move `blocks` on, in `seconds` altogether (default: 12 a block)."""
        passed = BLOCK_SECONDS * blocks if seconds is None else seconds
        self._set_block(self._number + blocks, self._time + passed)

    def set_balance(self, address: AddressLike, wei: int) -> None:
        """Give an address exactly so much ether."""
        where = to_address(address)
        self._undo.append((where, wei - self._evm.get_balance(where), None))
        self._evm.set_balance(where, wei)

    def set_code(self, address: AddressLike, code: bytes) -> None:
        """Put deployed code at an address; its balance and storage stay."""
        where = to_address(address)
        self._undo.append((where, 0, self.code(where)))
        self._put_code(where, code)

    def set_storage(self, address: AddressLike, slot: int, value: int) -> None:
        """Write a word into a slot. The address needs code or ether."""
        self._evm.insert_account_storage(to_address(address), slot, value)

    def snapshot(self) -> int:
        """Remember state, time, logs and accounts. Raises ChainError with too many open at a time."""
        if len(self._snapshots) >= MAX_SNAPSHOTS:
            raise ChainError(f"{MAX_SNAPSHOTS} snapshots are open: revert to one before taking more.")
        number = self._next_snapshot
        self._next_snapshot += 1
        lengths = len(self._logs), len(self._accounts), len(self._undo)
        self._snapshots.append((number, self._evm.snapshot(), self._number, self._time, *lengths))
        return number

    def revert(self, snapshot: int) -> None:
        """Go back. Raises SnapshotLost for an id used before, directly or by going back further."""
        if all(entry[0] != snapshot for entry in self._snapshots):
            raise SnapshotLost(
                f"Snapshot {snapshot} is gone: each can be reverted to once, and takes later ones with it."
            )
        while True:
            number, checkpoint, block, time, logs, accounts, undo = self._snapshots.pop()
            self._evm.revert(checkpoint)
            self._undo_down_to(undo)
            if number == snapshot:
                break
        del self._logs[logs:]
        del self._accounts[accounts:]
        self._set_block(block, time)

    def _undo_down_to(self, length: int) -> None:
        # revm's journal undoes transfers by adding them back, so what stands now is the old balance plus our additions.
        while len(self._undo) > length:
            where, added, code = self._undo.pop()
            if code is not None:
                self._put_code(where, code)
            self._evm.set_balance(where, (self._evm.get_balance(where) - added) % 2**256)

    def _put_code(self, where: str, code: bytes) -> None:
        before = self._evm.basic(where)
        balance, nonce = before.balance, before.nonce
        self._evm.insert_account_info(where, self._pyrevm.AccountInfo(nonce=nonce, code=code))
        self._evm.set_balance(where, balance)

    def _block(self) -> Any:
        return self._pyrevm.BlockEnv(number=self._number, timestamp=self._time, gas_limit=self._gas_limit)

    def _set_block(self, number: int, timestamp: int) -> None:
        if (number, timestamp) != (self._number, self._time):
            self._number, self._time = number, timestamp
            self._evm.set_block_env(self._block())
