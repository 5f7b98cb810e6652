"""The two protocols everything above is written against, and what all backends share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from bulkhead.chain.abi import Artifact, RawAbi, Registry, as_abi
from bulkhead.chain.address import Address, to_address, to_bytes
from bulkhead.chain.contract import Contract
from bulkhead.chain.errors import ChainError, Revert
from bulkhead.chain.receipt import Event, Receipt

#: Seconds between blocks, when a local chain is told to mine without being told how long.
BLOCK_SECONDS = 12

#: Wei given to local accounts.
RICH = 10_000 * 10**18

#: An address as a string, 20 bytes, or an object with `.address`: a contract, an account.
AddressLike = Any


class Chain(Protocol):
    """A chain, near or far. Amounts are wei, times are seconds since 1970, data are bytes.

    `sender` is an address this chain can sign for (any address on a local one), or an account that signs itself (of
    eth_account, of ape); None means `accounts[0]`.
    Reverts raise `Revert`; transactions no block would take raise `Rejected`; both leave no change of state.
    """

    registry: Registry

    @property
    def chain_id(self) -> int:
        """The number that signatures are bound to."""
        ...

    @property
    def block_number(self) -> int:
        """The latest block's."""
        ...

    @property
    def timestamp(self) -> int:
        """The latest block's time, unix seconds."""
        ...

    @property
    def accounts(self) -> Sequence[Address]:
        """Who can send; the first one does where nobody is named."""
        ...

    def new_account(self, label: str) -> Address:
        """Somebody who can send: on a local chain the same for the same label, with ether."""
        ...

    def deploy(self, artifact: Artifact, *args: Any, sender: AddressLike = None, value: int = 0) -> Contract:
        """Creates a contract; `value` in wei. Raises Revert, Rejected."""
        ...

    def contract(self, source: Artifact | RawAbi, address: AddressLike) -> Contract:
        """Binds an ABI to an address, without asking the chain."""
        ...

    def register(self, *sources: Artifact | RawAbi) -> None:
        """Learns errors and events of ABIs, so that reverts and logs get their names."""
        ...

    def call(
        self,
        to: AddressLike,
        data: bytes,
        *,
        sender: AddressLike = None,
        value: int = 0,
        block: int | None = None,
    ) -> bytes:
        """What a call returns, at the end of `block` (default: the latest). Changes nothing. Raises Revert."""
        ...

    def send(
        self,
        to: AddressLike,
        data: bytes = b"",
        *,
        sender: AddressLike = None,
        value: int = 0,
        gas: int | None = None,
    ) -> Receipt:
        """Tries a transaction out, sends it, waits until it is mined; `value` in wei. Raises Revert, Rejected."""
        ...

    def logs(
        self,
        address: AddressLike = None,
        names: Iterable[str] = (),
        *,
        from_block: int = 0,
        to_block: int | None = None,
    ) -> list[Event]:
        """Decoded events of an address (None: of all) with these names (none: all), oldest first, blocks inclusive."""
        ...

    def balance(self, address: AddressLike) -> int:
        """Wei of an address."""
        ...

    def code(self, address: AddressLike) -> bytes:
        """Deployed code, b"" for none."""
        ...

    def storage(self, address: AddressLike, slot: int) -> int:
        """The word in a slot."""
        ...


class LocalChain(Chain, Protocol):
    """A chain of one's own: its clock stands still unless moved, anyone without code can send, the past can come back.

    A transaction sent now runs at `timestamp`; so does a call. Gas is free.
    """

    def snapshot(self) -> int:
        """Remembers the whole state, time included. The id is good for one `revert`."""
        ...

    def revert(self, snapshot: int) -> None:
        """Goes back to a snapshot; it and all later ones are used up. Raises SnapshotLost."""
        ...

    def isolated(self) -> AbstractContextManager[None]:
        """A block of code whose changes of state, time included, vanish at its end."""
        ...

    def set_time(self, timestamp: int) -> None:
        """Moves the clock to unix seconds. Raises ChainError for a time before the present one."""
        ...

    def mine(self, blocks: int = 1, seconds: int | None = None) -> None:
        """Makes empty blocks, in `seconds` altogether (default: 12 a block)."""
        ...

    def set_balance(self, address: AddressLike, wei: int) -> None:
        """Gives an address exactly so much ether."""
        ...

    def set_code(self, address: AddressLike, code: bytes) -> None:
        """Puts deployed code at an address; its balance and storage stay."""
        ...

    def set_storage(self, address: AddressLike, slot: int, value: int) -> None:
        """Writes a word into a slot."""
        ...


class BaseChain(ABC):
    """Deploying, binding and registering, the same on every backend."""

    def __init__(self) -> None:
        self.registry = Registry()

    @property
    @abstractmethod
    def accounts(self) -> Sequence[Address]:
        """Addresses this chain can send from."""

    @abstractmethod
    def _create(self, init_code: bytes, sender: Address, value: int) -> Receipt:
        """Run creation code; the receipt has a contract_address."""

    def deploy(
        self, artifact: Artifact, *args: Any, sender: AddressLike = None, value: int = 0, **named: Any
    ) -> Contract:
        """Deploy with constructor arguments by position or name. Registers the ABI. Raises Revert, Rejected."""
        code = to_bytes(artifact.bytecode)
        if not code:
            raise ChainError(f"{artifact.name} has no creation code: it is abstract or an interface.")
        abi = as_abi(artifact)
        self.registry.add(abi)
        try:
            receipt = self._create(code + abi.encode_constructor(*args, **named), self._from(sender), value)
        except Revert as revert:
            revert.where = f"constructor of {artifact.name}"
            raise
        assert receipt.contract_address is not None
        contract = Contract(self, receipt.contract_address, abi)  # type: ignore[arg-type]
        contract.deployment = receipt
        return contract

    def contract(self, source: Artifact | RawAbi, address: AddressLike) -> Contract:
        """Bind an ABI to an address, without asking the chain. Registers the ABI."""
        abi = as_abi(source)
        self.registry.add(abi)
        return Contract(self, to_address(address), abi)  # type: ignore[arg-type]

    def register(self, *sources: Artifact | RawAbi) -> None:
        """Learn errors and events of ABIs (an artifact, or a list), so that reverts and logs get their names."""
        for source in sources:
            self.registry.add(as_abi(source))

    def _from(self, sender: AddressLike) -> Address:
        if sender is not None:
            return to_address(sender)
        if not self.accounts:
            raise ChainError("This chain has no account of its own to send from: pass sender=, or add an account.")
        return self.accounts[0]


class LocalBase(BaseChain):
    """Isolation by snapshot, the same on every local backend."""

    @abstractmethod
    def snapshot(self) -> int:
        """Remember the whole state, time included. The id is good for one `revert`."""

    @abstractmethod
    def revert(self, snapshot: int) -> None:
        """Go back to a snapshot; it and all later ones are used up. Raises SnapshotLost."""

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """A block of code whose changes of state, time included, vanish at its end, also after an exception."""
        snapshot = self.snapshot()
        try:
            yield
        finally:
            self.revert(snapshot)
