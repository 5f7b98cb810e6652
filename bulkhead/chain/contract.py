"""A contract at an address, with its functions as methods.

token.call.balanceOf(owner)                           -> int, reads
token.send.transfer(to, 5 * 10**18, sender=alice)     -> Receipt, changes state
token.send["mint(address,uint256)"](to, 1)            an overloaded function, by full signature
token.encode.transfer(to, 1)                          -> bytes, calldata for a multicall
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bulkhead.chain.abi import Abi, Function
from bulkhead.chain.address import Address
from bulkhead.chain.errors import NoContract, Revert
from bulkhead.chain.receipt import Receipt

if TYPE_CHECKING:
    from bulkhead.chain.base import Chain

T = TypeVar("T")


class Methods(Generic[T]):
    """Functions of a contract by attribute or, for overloads, by signature in brackets. Made once each."""

    def __init__(self, abi: Abi, make: Callable[[Function], T]) -> None:
        self._abi, self._make = abi, make

    def __getattr__(self, name: str) -> T:
        if name.startswith("__"):
            raise AttributeError(name)
        method = self._make(self._abi.function(name))
        setattr(self, name, method)
        return method

    def __getitem__(self, signature: str) -> T:
        method: T = getattr(self, signature)
        return method

    def __dir__(self) -> list[str]:
        return sorted(self._abi.functions)


class Contract:
    """A contract bound to a chain. `call`, `send` and `encode` hold its functions; see the module."""

    def __init__(self, chain: Chain, address: Address, abi: Abi) -> None:
        self.chain, self.address, self.abi = chain, address, abi
        self.call: Methods[Callable[..., Any]] = Methods(abi, self._caller)
        self.send: Methods[Callable[..., Receipt]] = Methods(abi, self._sender)
        self.encode: Methods[Callable[..., bytes]] = Methods(abi, lambda function: function.encode)
        #: The receipt of its deployment, when this object deployed it.
        self.deployment: Receipt | None = None

    @property
    def name(self) -> str:
        """The contract's name in its source."""
        return self.abi.name

    def _caller(self, function: Function) -> Callable[..., Any]:
        chain, address, where = self.chain, self.address, f"{self.name}.{function.name}"

        def call(*args: Any, sender: Any = None, value: int = 0, block: int | None = None, **named: Any) -> Any:
            data = function.encode(*args, **named)
            try:
                answer = chain.call(address, data, sender=sender, value=value, block=block)
            except Revert as revert:
                revert.where = where
                raise
            if not answer and function.outputs.items and not chain.code(address):
                raise NoContract(address, where)
            return function.decode(answer)

        call.__name__, call.__doc__ = function.name, f"Read {function.signature}."
        return call

    def _sender(self, function: Function) -> Callable[..., Receipt]:
        chain, address, where = self.chain, self.address, f"{self.name}.{function.name}"

        def send(*args: Any, sender: Any = None, value: int = 0, gas: int | None = None, **named: Any) -> Receipt:
            data = function.encode(*args, **named)
            try:
                receipt = chain.send(address, data, sender=sender, value=value, gas=gas)
            except Revert as revert:
                revert.where = where
                raise
            receipt.function = function
            return receipt

        send.__name__, send.__doc__ = function.name, f"Send {function.signature}."
        return send

    def events(self, *names: str, from_block: int = 0, to_block: int | None = None) -> list[Any]:
        """This contract's events of these names (all when none is given) in a range of blocks, oldest first."""
        return self.chain.logs(self.address, names, from_block=from_block, to_block=to_block)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Contract) and (self.address, self.chain) == (other.address, other.chain)

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        return f"<{self.name} at {self.address}>"
