"""One form for what a contract and its twin answer, so that they can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bulkhead.chain import Revert
from bulkhead.fuzz.pair import plain
from bulkhead.model.errors import ModelError


def answer_of(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """A call's plain value, or its error as ("error", name, values)."""
    try:
        return plain(call(*args, **named))
    except Revert as revert:
        return "error", revert.name, plain(revert.values)
    except ModelError as error:
        return "error", error.name, plain(error.args)
