"""Lists of what tools would report, and somebody argues that nothing can be done about: each entry with its reason."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

A = TypeVar("A")


class ArgumentInvalid(Exception):
    """A list cannot be used; the message says which entry and why."""


def read_argued(file: Path, table: str, kind: type[A]) -> list[A]:
    """The `[[table]]` entries of a TOML file as dataclasses of a kind, which has a `why`. Raises ArgumentInvalid."""
    try:
        entries: list[Any] = [kind(**entry) for entry in tomllib.loads(file.read_text()).get(table, [])]
    except (TypeError, tomllib.TOMLDecodeError) as error:
        names = ", ".join(field.name for field in fields(kind))  # type: ignore[arg-type]
        raise ArgumentInvalid(f"{file}: each [[{table}]] must have {names} ({error})") from None
    for entry in entries:
        if not entry.why.strip():
            raise ArgumentInvalid(f"{file}: say why of {entry}")
    return entries
