"""A `Web3Chain` on an anvil of one's own: the same conversation with a node, plus power over its time and state."""

from __future__ import annotations

import atexit
import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bulkhead.chain.address import Address, labelled, to_address
from bulkhead.chain.base import BLOCK_SECONDS, RICH, AddressLike, LocalBase
from bulkhead.chain.errors import (
    ChainError,
    NodeError,
    NodeUnreachable,
    PortInUse,
    ProgramMissing,
    SnapshotLost,
)
from bulkhead.chain.web3 import Web3Chain

#: Seconds that anvil may take to answer after its start (0.1 is usual).
START_SECONDS = 20

#: Gas given to a call or transaction that does not say; gas is free here.
GAS_LIMIT = 30_000_000

#: Past blocks that `call(block=...)` can ask: all of them would take gigabytes in a long run.
KEPT_STATES = 64

#: Transactions of that size that fit into one block of an anvil started here.
PER_BLOCK = 1_000


class AnvilChain(Web3Chain, LocalBase):
    """A local chain in an anvil process. Anyone may send, gas is free, the clock stands still unless moved.

    url         of an anvil that runs already: attach to it, and leave it running; None starts one
    port        to start on; None takes a free one. Raises PortInUse
    chain_id    of an anvil started here
    timestamp   of its first block, seconds
    options     further command-line options, e.g. ("--steps-tracing",)

    Every transaction is a block of its own unless `automine(False)`. Use as a context manager, or call `close()`;
    a child left over is ended when Python exits, even if killed. Raises ProgramMissing when there is no anvil to start.
    """

    _price = 0

    def __init__(
        self,
        url: str | None = None,
        *,
        port: int | None = None,
        chain_id: int = 31337,
        timestamp: int = 1_700_000_000,
        options: Sequence[str] = (),
    ) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        if url is None:
            url, self._process = _start(port, chain_id, timestamp, options)
            self._watch = _end_with_us(self._process.pid)
            atexit.register(self.close)
        super().__init__(url)
        self._labelled: list[Address] = []
        self._open_snapshots: list[tuple[int, int]] = []  # id, number of labelled accounts then
        self._automine = True
        try:
            self._await_answer()
            self.rpc("anvil_setBlockTimestampInterval", 0)
            self.rpc("anvil_autoImpersonateAccount", True)
            self.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the anvil started here; one attached to goes on. Harmless when repeated."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.close)
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                version = str(self.rpc("web3_clientVersion"))
            except NodeUnreachable:
                if self._process is None:
                    raise
                if self._process.poll() is not None:
                    raise ChainError(f"anvil ended at once with exit code {self._process.returncode}.") from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
                continue
            if not version.startswith("anvil/"):
                raise ChainError(f"The node at {self.url} is {version}, not anvil: use Web3Chain for it.")
            return

    # --- accounts and transactions

    @property
    def accounts(self) -> Sequence[Address]:
        """Anvil's own funded accounts and all `new_account`s."""
        return (*super().accounts, *self._labelled)

    def new_account(self, label: str) -> Address:
        """An address with ether, the same for the same label on every local chain."""
        account = labelled(label)
        if account not in self._labelled:
            self._labelled.append(account)
            self.set_balance(account, RICH)
        return account

    def _simulate(self, request: dict[str, Any], block: str) -> bytes:
        return super()._simulate({"gas": hex(GAS_LIMIT), **request}, block)

    def _gas(self, request: dict[str, Any]) -> int:
        return GAS_LIMIT

    def _mined(self, tx_hash: str) -> dict[str, Any]:
        if not self._automine:
            self.rpc("evm_mine")
        return super()._mined(tx_hash)

    def _submit(self, request: dict[str, Any], sender: Address) -> dict[str, Any]:
        if self._automine and sender not in self._signers:
            answer: dict[str, Any] = self.rpc("eth_sendTransactionSync", {**request, "gasPrice": "0x0"})
            return answer
        return super()._submit(request, sender)

    def queue(
        self,
        to: AddressLike,
        data: bytes = b"",
        *,
        sender: AddressLike = None,
        value: int = 0,
        gas: int = GAS_LIMIT,
    ) -> str:
        """With `automine(False)`: pool a transaction, unsimulated, for the next `mine`. Returns its hash."""
        request = {
            "to": to_address(to),
            "data": "0x" + data.hex(),
            "from": self._from(sender),
            "value": hex(value),
        }
        return str(self.rpc("eth_sendTransaction", {**request, "gas": hex(gas), "gasPrice": "0x0"}))

    def automine(self, on: bool) -> None:
        """Whether each transaction gets a block at once. Off, many can be put into one block by `queue` and `mine`."""
        self.rpc("evm_setAutomine", on)
        self._automine = on

    # --- time and state

    def set_time(self, timestamp: int) -> None:
        """Mine a block at this time, seconds. Raises ChainError for a time before the present one."""
        try:
            self.rpc("evm_setNextBlockTimestamp", timestamp)
        except NodeError:
            now = self.timestamp
            raise ChainError(
                f"Time only goes forward: {timestamp} is before {now}; revert to a snapshot instead."
            ) from None
        self.rpc("evm_mine")

    def mine(self, blocks: int = 1, seconds: int | None = None) -> None:
        """Mine `blocks`, in `seconds` altogether (default: 12 a block); the last one has the new time."""
        if blocks > 1:
            self.rpc("anvil_mine", hex(blocks - 1))
        self.set_time(self.timestamp + (BLOCK_SECONDS * blocks if seconds is None else seconds))

    def set_balance(self, address: AddressLike, wei: int) -> None:
        """Give an address exactly so much ether."""
        self.rpc("anvil_setBalance", to_address(address), hex(wei))

    def set_code(self, address: AddressLike, code: bytes) -> None:
        """Put deployed code at an address; its balance and storage stay."""
        self.rpc("anvil_setCode", to_address(address), "0x" + code.hex())

    def set_storage(self, address: AddressLike, slot: int, value: int) -> None:
        """Write a word into a slot."""
        self.rpc("anvil_setStorageAt", to_address(address), hex(slot), f"0x{value:064x}")

    def snapshot(self) -> int:
        """Remember state, time and accounts."""
        number = int(self.rpc("evm_snapshot"), 16)
        self._open_snapshots.append((number, len(self._labelled)))
        return number

    def revert(self, snapshot: int) -> None:
        """Go back. Raises SnapshotLost for an id used before, directly or by going back further."""
        known = [entry for entry in self._open_snapshots if entry[0] == snapshot]
        if not known or not self.rpc("evm_revert", hex(snapshot)):
            raise SnapshotLost(
                f"Snapshot {snapshot} is gone: each can be reverted to once, and takes later ones with it."
            )
        del self._open_snapshots[self._open_snapshots.index(known[0]) :]
        del self._labelled[known[0][1] :]


def find_anvil() -> str:
    """The anvil to start: $ANVIL, else the native one in a node_modules above here or the working folder, else on PATH.

    npm's wrapper script is passed over: ending it leaves the native child running. Raises ProgramMissing.
    """
    if named := os.environ.get("ANVIL"):
        return named
    system, machine = platform.system().lower(), platform.machine().lower()
    package = f"anvil-{system}-{'amd64' if machine in ('x86_64', 'amd64') else 'arm64'}"
    for folder in (*Path(__file__).resolve().parents, Path.cwd()):
        native = folder / "node_modules" / "@foundry-rs" / package / "bin" / "anvil"
        if native.exists():
            return str(native)
    found = shutil.which("anvil")
    if found is None:
        raise ProgramMissing("anvil")
    return found


def _start(
    port: int | None, chain_id: int, timestamp: int, options: Sequence[str]
) -> tuple[str, subprocess.Popen[bytes]]:
    program = find_anvil()
    with socket.socket() as probe:  # bound for a moment: tells a taken port from a free one, and finds a free one
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port or 0))
        except OSError:
            raise PortInUse(port or 0) from None
        port = int(probe.getsockname()[1])
    command = [program, "--silent", "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id)]
    command += ["--timestamp", str(timestamp), "--hardfork", "prague", "--gas-limit", str(GAS_LIMIT * PER_BLOCK)]
    command += ["--base-fee", "0", "--prune-history", str(KEPT_STATES), *options]
    nothing = subprocess.DEVNULL
    try:  # in a session of its own: Ctrl-C is for this process, which still needs the node to clean up
        process = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
    except OSError:
        raise ProgramMissing("anvil") from None
    return f"http://127.0.0.1:{port}", process


def _end_with_us(pid: int) -> subprocess.Popen[bytes] | None:
    """A shell that waits for this process's end of a pipe to close, as it does at any death, then ends `pid`."""
    shell = shutil.which("sh")
    if shell is None:
        return None
    return subprocess.Popen([shell, "-c", f"read _; kill {pid}"], stdin=subprocess.PIPE, start_new_session=True)
