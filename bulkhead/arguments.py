"""What command lines share: numbers within bounds, and one line about what is wrong."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

N = TypeVar("N", int, float)


class Parser(argparse.ArgumentParser):
    """Says what is wrong with arguments in one line, without their usage, and ends with 2."""

    def error(self, message: str) -> NoReturn:
        sentence = re.sub(r"^argument (.*?): must", r"\1 must", message)
        sentence = re.sub(r"^argument (.*?): invalid int value:", r"\1 must be a whole number, not", sentence)
        self.exit(2, f"{self.prog}: {sentence}\n")


def number(kind: Callable[[str], N], fits: Callable[[N], bool], must: str) -> Callable[[str], N]:
    """The type of an argument that is a number and fits; `must` says what it must be."""

    def read(text: str) -> N:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise argparse.ArgumentTypeError(f"must be {must}, not {text}")
        return value

    return read


def whole(least: int) -> Callable[[str], int]:
    """A whole number from `least` on."""
    return number(int, lambda value: value >= least, f"a whole number of at least {least}")


#: A number above zero.
positive = number(float, lambda value: 0 < value < math.inf, "a number above 0")


def refuse(wrong: object) -> int:
    """Says in one line what is wrong with the arguments; gives the exit code."""
    return _say("bulkhead", wrong, 2)


def fail(error: object) -> int:
    """Says in one line why it was not done; gives the exit code."""
    return _say("FAILED", error, 1)


def _say(begin: str, what: object, code: int) -> int:
    if isinstance(what, OSError) and what.strerror:
        what = f"{what.filename}: {what.strerror}"
    print(f"{begin}:", " ".join(str(what).split()), file=sys.stderr)
    return code
