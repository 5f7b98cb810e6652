"""Every public name of the packages that users import says what it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

PACKAGES = ("bulkhead.protocol", "bulkhead.chain", "bulkhead.keeper")


def modules(package: str) -> Iterator[Any]:
    found = importlib.import_module(package)
    yield found
    for entry in pkgutil.iter_modules(found.__path__, f"{package}."):
        yield importlib.import_module(entry.name)


def silent(module: Any) -> Iterator[str]:
    """Public names of a module, and of its classes, that say nothing; a method may leave it to the one it overrides."""
    if not module.__doc__:
        yield module.__name__
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing):
            # What a dataclass or a named tuple writes about itself is its signature, nothing else.
            if not thing.__doc__ or thing.__doc__.startswith(f"{name}("):
                yield f"{module.__name__}.{name}"
            for member, value in vars(thing).items():
                told = isinstance(value, property | classmethod | staticmethod) or inspect.isroutine(value)
                if not member.startswith("_") and told and not inspect.getdoc(getattr(thing, member)):
                    yield f"{module.__name__}.{name}.{member}"
        elif inspect.isroutine(thing) and not inspect.getdoc(thing):
            yield f"{module.__name__}.{name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_req48_every_public_name_is_explained(package: str) -> None:
    missing = [name for module in modules(package) for name in silent(module)]
    assert not missing, "\n".join(missing)


def test_it_sees_what_says_nothing() -> None:
    class Mute:
        def method(self) -> None: ...

        @property
        def field(self) -> int:
            return 1

    module = type(inspect)("mute")
    for name, thing in (("Mute", Mute), ("function", lambda: None)):
        thing.__module__ = "mute"
        setattr(module, name, thing)
    assert list(silent(module)) == ["mute", "mute.Mute", "mute.Mute.method", "mute.Mute.field", "mute.function"]
