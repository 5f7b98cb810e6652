"""What the contracts revert with, as exceptions."""

from __future__ import annotations

from typing import Any


class ModelError(Exception):
    """A contract's typed error: `name` as in Solidity (the class's own), `args` its values in order."""

    args: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The error's name in Solidity."""
        return type(self).__name__
