"""All or nothing: what a contract's revert undoes. Records are changed by making others."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import compress
from operator import not_
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from bulkhead.model.errors import ModelError


class Stateful(Protocol):
    """Names the places where its state, and that of those it calls, lies: pairs of an object and an attribute."""

    def places(self) -> list[tuple[Any, str]]: ...


_inside = False

S = TypeVar("S", bound=Stateful)
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def replace(record: T, **changes: Any) -> T:
    """A frozen dataclass with other values in some fields. As in `dataclasses`, but quick."""
    made: T = object.__new__(type(record))
    made.__dict__.update(record.__dict__)
    made.__dict__.update(changes)
    return made


def atomic(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A transaction: a ModelError leaves everything as it was. Containers are copied, not what is in them.

    A call within another is part of it: nobody catches an error on its way out.
    """

    @wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        global _inside
        if _inside:
            return method(self, *args, **kwargs)
        places = self.__dict__.get("_places")
        if places is None:  # they never change, nor does it what lies there: a container, or a number
            found = [(vars(owner), name) for owner, name in self.places()]
            copied = [isinstance(owner[name], dict | list | set) for owner, name in found]
            places = list(compress(found, copied)), list(compress(found, map(not_, copied)))
            self.__dict__["_places"] = places
        containers, numbers = places
        copies = [owner[name].copy() for owner, name in containers]
        values = [owner[name] for owner, name in numbers]
        _inside = True
        try:
            return method(self, *args, **kwargs)
        except ModelError:
            for (owner, name), value in zip(containers + numbers, copies + values, strict=True):
                owner[name] = value
            raise
        finally:
            _inside = False

    return call
