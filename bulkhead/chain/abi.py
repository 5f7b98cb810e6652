"""An ABI read once: its functions, events and errors, and a registry of all that a chain has seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from bulkhead.chain.address import keccak
from bulkhead.chain.codec import WORDS, Param, Tuple
from bulkhead.chain.errors import ChainError, EncodingError

RawAbi = Sequence[Mapping[str, Any]]


@runtime_checkable
class Artifact(Protocol):
    """What a compiler yields: bulkhead.build's Artifact fits, and so does anything with these three."""

    @property
    def name(self) -> str:
        """The contract's name in its source."""
        ...

    @property
    def abi(self) -> list[Any]:
        """Functions, errors and events, as the compiler lists them."""
        ...

    @property
    def bytecode(self) -> str | bytes:
        """Creation code without constructor arguments; as text in hexadecimal."""
        ...


class Function:
    """One function: `selector` (4 bytes), `signature` ("transfer(address,uint256)"), `inputs`, `outputs`."""

    def __init__(self, entry: Param) -> None:
        self.name: str = entry["name"]
        self.inputs = Tuple(entry["inputs"])
        self.outputs = Tuple(entry.get("outputs", ()), title=self.name.lstrip("_").capitalize() or "Values")
        self.signature = self.name + self.inputs.name
        self.selector = keccak(self.signature)[:4]
        self.view: bool = entry.get("stateMutability") in ("view", "pure")
        self.payable: bool = entry.get("stateMutability") == "payable"

    def encode(self, *args: Any, **named: Any) -> bytes:
        """Calldata. Arguments by position, or after those by name. Raises EncodingError."""
        try:
            return self.selector + self.inputs.encode(_merge(self.inputs, args, named) if named else args)
        except EncodingError as error:
            raise EncodingError(f"{self.signature}: {error}") from None

    def decode(self, data: bytes) -> Any:
        """The result: None, the single value, or a namedtuple of several."""
        items = self.outputs.items
        if len(items) == 1:
            only = items[0]
            if isinstance(only, WORDS):
                return only.decode(data, 0)
            return self.outputs.decode(data)[0]
        return self.outputs.decode(data) if items else None


class ErrorType:
    """One custom error."""

    def __init__(self, entry: Param) -> None:
        self.name: str = entry["name"]
        self.inputs = Tuple(entry["inputs"], title=self.name)
        self.signature = self.name + self.inputs.name
        self.selector = keccak(self.signature)[:4]

    def encode(self, *args: Any) -> bytes:
        """Revert data with these values."""
        return self.selector + self.inputs.encode(args)

    def decode(self, data: bytes) -> Any:
        """A namedtuple of the values in revert data (selector included)."""
        return self.inputs.decode(data[4:])


class EventType:
    """One event. `topic` is its first topic, None when anonymous."""

    def __init__(self, entry: Param) -> None:
        self.name: str = entry["name"]
        params: list[Param] = list(entry["inputs"])
        whole = Tuple(params, title=self.name)
        self.signature = self.name + whole.name
        self.topic = None if entry.get("anonymous") else keccak(self.signature)
        self.indexed = [i for i, p in enumerate(params) if p["indexed"]]
        plain = [i for i, p in enumerate(params) if not p["indexed"]]
        self._items, self._make, self._order = whole.items, whole.make, plain
        self._body = Tuple([params[i] for i in plain])

    def decode(self, topics: Sequence[bytes], data: bytes) -> Any:
        """A namedtuple of all parameters in their declared order.

        An indexed string, bytes, array or struct is on chain only as its keccak: 32 bytes come out.
        """
        values: list[Any] = [None] * len(self._items)
        for i, topic in zip(self.indexed, topics[1 if self.topic else 0 :], strict=True):
            values[i] = self._items[i].decode(topic, 0) if isinstance(self._items[i], WORDS) else topic
        for i, value in zip(self._order, self._body.decode(data), strict=True):
            values[i] = value
        return self._make(values)


class Abi:
    """An ABI by name. Overloaded functions are found by full signature; their bare name is ambiguous."""

    def __init__(self, entries: RawAbi, name: str = "Contract") -> None:
        self.name = name
        self.entries = list(entries)
        made = [Function(e) for e in entries if e["type"] == "function"]
        self.errors = [ErrorType(e) for e in entries if e["type"] == "error"]
        self.events = [EventType(e) for e in entries if e["type"] == "event"]
        self._overloads: dict[str, list[Function]] = {}
        for function in made:
            self._overloads.setdefault(function.name, []).append(function)
        self.functions = {f.signature: f for f in made}
        self.functions |= {name: same[0] for name, same in self._overloads.items() if len(same) == 1}
        self.constructor = Tuple(next((e["inputs"] for e in entries if e["type"] == "constructor"), ()))

    def function(self, name: str) -> Function:
        """By name or full signature. Raises ChainError naming the choices."""
        found = self.functions.get(name)
        if found is not None:
            return found
        if name in self._overloads:
            choices = ", ".join(f.signature for f in self._overloads[name])
            raise ChainError(f"{self.name}.{name} is overloaded, use one of [{choices}] in brackets.")
        raise ChainError(f"{self.name} has no function {name}; it has {', '.join(sorted(self._overloads)) or 'none'}.")

    def encode_constructor(self, *args: Any, **named: Any) -> bytes:
        """The bytes that follow the creation code. Raises EncodingError."""
        try:
            return self.constructor.encode(_merge(self.constructor, args, named))
        except EncodingError as error:
            raise EncodingError(f"constructor of {self.name}: {error}") from None


def _merge(types: Tuple, args: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
    values = list(args)
    rest = dict(named)
    for key, field in list(zip(types.keys, types.fields, strict=True))[len(args) :]:
        name = key if key in rest else field
        if name not in rest:
            break
        values.append(rest.pop(name))
    if rest:
        raise EncodingError(f"no parameter left for {', '.join(rest)}; parameters are {', '.join(types.fields)}.")
    return tuple(values)


_BUILT_IN: RawAbi = [
    {"type": "error", "name": "Error", "inputs": [{"name": "message", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
]


class Registry:
    """All errors and events that a chain can name, from every ABI it was shown."""

    def __init__(self) -> None:
        self._errors: dict[bytes, ErrorType] = {}
        self._events: dict[tuple[bytes, int], EventType] = {}
        self._names: dict[str, set[bytes]] = {}
        self._seen: set[int] = set()
        self._kept: list[Abi] = []
        self.add(Abi(_BUILT_IN))

    def add(self, abi: Abi) -> None:
        """Learn an ABI's errors and events. A signature known already keeps its first names."""
        if id(abi) in self._seen:
            return
        self._seen.add(id(abi))
        self._kept.append(abi)
        for error in abi.errors:
            self._errors.setdefault(error.selector, error)
        for event in abi.events:
            if event.topic is not None:
                self._events.setdefault((event.topic, len(event.indexed)), event)
                self._names.setdefault(event.name, set()).add(event.topic)

    def error(self, selector: bytes) -> ErrorType | None:
        """The error with these four bytes, or None."""
        return self._errors.get(selector)

    def event(self, topics: Sequence[bytes]) -> EventType | None:
        """The event that a log's topics announce, or None. Anonymous events are never found."""
        return self._events.get((topics[0], len(topics) - 1)) if topics else None

    def topics(self, names: Iterable[str]) -> list[bytes]:
        """First topics of all events with these names. Raises ChainError for a name no ABI has."""
        found: list[bytes] = []
        for name in names:
            if name not in self._names:
                raise ChainError(f"No registered ABI has an event {name}: register one, or deploy its contract first.")
            found += sorted(self._names[name])
        return found


_CACHE: dict[int, tuple[object, Abi]] = {}


def as_abi(source: Artifact | Abi | RawAbi, name: str = "Contract") -> Abi:
    """An Abi of an artifact or of a raw ABI list; read once per list object, then reused."""
    if isinstance(source, Abi):
        return source
    entries: RawAbi = source if isinstance(source, Sequence) else source.abi
    title = name if isinstance(source, Sequence) else source.name
    held = _CACHE.get(id(entries))
    if held is None:
        held = _CACHE[id(entries)] = (entries, Abi(entries, title))
    return held[1]
