"""One form for what a contract and its twin answer, so that they can be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from bulkhead.chain import Revert
from bulkhead.model.errors import ModelError


def plain(value: Any) -> Any:
    """Structs, lists and dataclasses as tuples."""
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(plain(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, tuple | list):
        return tuple(plain(item) for item in value)
    return value


def answer_of(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """A call's plain value, or its error as ("error", name, values)."""
    try:
        return plain(call(*args, **named))
    except Revert as revert:
        return "error", revert.name, plain(revert.values)
    except ModelError as error:
        return "error", error.name, plain(error.args)
