"""What can go wrong between Python and a chain, each in one sentence a user can act on.

`Revert` is the contract saying no; every other `ChainError` says that the question never reached it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bulkhead.chain.abi import ErrorType, Registry


class ChainError(Exception):
    """Base of everything this package raises on purpose."""


class NodeUnreachable(ChainError):
    """No JSON-RPC answer at a URL."""

    def __init__(self, url: str, why: str = "") -> None:
        why = "it begins with neither http:// nor https://" if why in ("MissingSchema", "InvalidSchema") else why
        local = any(host in url for host in ("localhost", "127.0.0.1", "[::1]"))
        advice = "start one there, or check the URL" if local else "check the URL, or name another node"
        super().__init__(f"No node answers at {url}{f' ({why})' if why else ''}: {advice}.")
        self.url = url


class NodeError(ChainError):
    """The node answered with a JSON-RPC error that is not a revert. `code` and `data` are the node's."""

    def __init__(self, method: str, message: str, code: int = 0, data: object = None) -> None:
        super().__init__(f"The node refused {method}: {message}")
        self.message, self.code, self.data = message, code, data


class Rejected(ChainError):
    """A transaction that no block would take: too little ether, too little gas for its calldata, and so on."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The transaction was refused before it ran: {why}")


class PortInUse(ChainError):
    """Something else listens on the port wanted for anvil."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is in use: choose another, or leave the port out to get a free one.")


class ProgramMissing(ChainError):
    """A program this package starts is not installed."""

    def __init__(self, program: str) -> None:
        super().__init__(f"{program} was not found: run `make setup`, or name it in ${program.upper()}.")


class NoContract(ChainError):
    """A call came back empty where a value was due, because no code stands at the address."""

    def __init__(self, address: str, where: str) -> None:
        super().__init__(f"{where} answered nothing: there is no such contract at {address} on this chain.")


class EncodingError(ChainError, ValueError):
    """A Python value does not fit the ABI type, or there are too many or too few of them."""


class DecodingError(ChainError, ValueError):
    """Bytes that are not what the ABI promises."""


class SnapshotLost(ChainError):
    """A snapshot that was used already, dropped by reverting to an older one, or never taken."""


#: Human sentences by error name, for `str(revert)`: a format string over the error's parameter names, or a function
#: of the `Revert`. The protocol package fills it in, e.g. `describe["TooMuch"] = "{wanted} wanted, {available} there"`.
describe: dict[str, str | Callable[[Revert], str]] = {}

PANICS = {
    0x00: "generic compiler panic",
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division or modulo by zero",
    0x21: "value out of range for its enum",
    0x22: "storage byte array badly encoded",
    0x31: "pop of an empty array",
    0x32: "array index out of bounds",
    0x41: "too much memory allocated",
    0x51: "call of an uninitialised internal function",
}


class Revert(ChainError):
    """A call or transaction that the EVM undid.

    data      bytes, exactly what the contract reverted with
    selector  its first four bytes, b"" when there are fewer
    name      the custom error's name, "Error" (a string), "Panic" (a code), "Halt" (`reason` says which: out of gas,
              invalid opcode...), "Empty" (no data), or "Unknown" (no ABI registered has the selector)
    values    the error's parameters as a namedtuple by their ABI names; () where there are none
    reason    of a halt: "out of gas" or the EVM's word ("InvalidFEOpcode"); else ""
    where     "Contract.function" where it is known, else ""
    """

    def __init__(self, data: bytes = b"", registry: Registry | None = None, reason: str = "", where: str = "") -> None:
        super().__init__(data)
        self.data, self.reason, self.where = data, _halt(reason), where
        self._registry = registry

    @property
    def selector(self) -> bytes:
        """The first four bytes of `data`, or b""."""
        return self.data[:4] if len(self.data) >= 4 else b""

    @property
    def _type(self) -> ErrorType | None:
        if self._registry is None or not self.selector:
            return None
        return self._registry.error(self.selector)

    @property
    def name(self) -> str:
        """The error's name; see the class."""
        kind = self._type
        if kind is not None:
            return kind.name
        if self.data:
            return "Unknown"
        return "Halt" if self.reason else "Empty"

    @property
    def values(self) -> Any:
        """The error's parameters as a namedtuple; an empty tuple when they are not known."""
        kind = self._type
        return kind.decode(self.data) if kind is not None else ()

    def sentence(self) -> str:
        """What happened, without where."""
        name = self.name
        sentence = describe.get(name)
        if callable(sentence):
            return sentence(self)
        if sentence is not None:
            return sentence.format_map(_as_dict(self.values))
        if name == "Error":
            return str(self.values[0])
        if name == "Panic":
            return f"panic 0x{self.values[0]:02x}, {PANICS.get(self.values[0], 'a code unknown to Solidity')}"
        if name == "Halt":
            return f"the EVM halted: {self.reason}"
        if name == "Empty":
            return "reverted without a reason"
        if name == "Unknown":
            return f"reverted with an error of no registered ABI: 0x{self.data.hex()}"
        return f"{name}({', '.join(f'{k}={v}' for k, v in _as_dict(self.values).items())})"

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence()}" if self.where else self.sentence()


def _as_dict(values: Any) -> dict[str, Any]:
    named: dict[str, Any] = values._asdict() if hasattr(values, "_asdict") else {}
    return named


def _halt(text: str) -> str:
    """One spelling for what engines call OutOfGas(Basic), "EVM error OutOfGas", ReentrancySentryOOG, "out of gas"..."""
    if not text:
        return text
    word = text.removeprefix("EVM error ")
    squeezed = word.lower().replace(" ", "")
    return "out of gas" if "outofgas" in squeezed or squeezed.endswith("oog") else word
