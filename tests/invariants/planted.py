"""Faults planted in the model of this process: one text of one function becomes another, until it is undone."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from bulkhead.fuzz.pair import POOLED


@dataclass(frozen=True)
class Fault:
    """Breaks the invariant `id` first.

    group    ids that may break in the same step, since they guard the same thing
    file     below bulkhead/model/; its text `find`, which stands there once, becomes `replace`
    world    number that the world is drawn from in which it is found quickly
    pooled   whole tokens that each pool begins with
    options  in a world of options
    """

    id: str
    file: str
    find: str
    replace: str
    group: tuple[str, ...] = ()
    world: int | None = None
    pooled: int = POOLED
    options: bool = False


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Only code is exchanged: who has imported the function, or wrapped it, has the fault as well."""
    module = importlib.import_module("bulkhead.model." + fault.file.removesuffix(".py").replace("/", "."))
    source = inspect.getsource(module)
    assert source.count(fault.find) == 1, f"{fault.id}: its text stands {source.count(fault.find)} times, not once"
    assert module.__file__ is not None
    before = _functions(compile(source, module.__file__, "exec"))
    after = _functions(compile(source.replace(fault.find, fault.replace), module.__file__, "exec"))
    exchanged = [(_function(module, name), code) for name, code in after.items() if code != before.get(name)]
    sound = [(function, function.__code__) for function, _ in exchanged]
    assert exchanged, f"{fault.id}: it changes no function"
    try:
        for function, code in exchanged:
            function.__code__ = code
        yield
    finally:
        for function, code in sound:
            function.__code__ = code


def _functions(code: CodeType, owner: str = "") -> dict[str, CodeType]:
    """Functions of a module, and methods of its classes, by name."""
    found: dict[str, CodeType] = {}
    for one in code.co_consts:
        if not isinstance(one, CodeType):
            continue
        if one.co_flags & inspect.CO_NEWLOCALS:
            found[owner + one.co_name] = one
        else:  # the body of a class
            found |= _functions(one, f"{one.co_name}.")
    return found


def _function(module: ModuleType, name: str) -> FunctionType:
    owner, _, method = name.rpartition(".")
    found: Any = vars(vars(module)[owner] if owner else module)[method]
    found = inspect.unwrap(getattr(found, "__func__", getattr(found, "fget", found)))
    assert isinstance(found, FunctionType), name
    return found
