"""Bulkhead: isolated-margin derivatives in which every position is a contract."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bulkhead.protocol import Protocol

__all__ = ["Protocol"]


def __getattr__(name: str) -> Any:
    # Importing a part of the package must not import the whole.
    if name == "Protocol":
        from bulkhead.protocol import Protocol

        return Protocol
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
