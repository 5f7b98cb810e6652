"""Turns a mutant on in every chain of this process, those that exist and those to come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyrevm

from bulkhead.chain import RevmChain
from tools.mutation.schemata import reached

_asked = 0
_chains: list[RevmChain] = []


def install(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """From here on every chain of this process is remembered, and asks for what `turn` said last."""
    block_env, make = pyrevm.BlockEnv, RevmChain.__init__

    def asking(**fields: Any) -> Any:
        return block_env(prevrandao=_asked.to_bytes(32), **fields)

    def remembered(chain: RevmChain, *args: Any, **kwargs: Any) -> None:
        make(chain, *args, **kwargs)
        _chains.append(chain)

    put(pyrevm, "BlockEnv", asking)
    put(RevmChain, "__init__", remembered)


def turn(asked: int) -> None:
    """On with this mutant; 0: with none; from RUN on: with none, and what is met is recorded for that run."""
    global _asked
    _asked = asked
    for chain in _chains:
        chain._evm.set_block_env(chain._block())


def met() -> dict[int, set[int]]:
    """Run -> mutants that it met, over all chains."""
    found: dict[int, set[int]] = {}
    for chain in _chains:
        for run, numbers in reached(chain._evm).items():
            found.setdefault(run, set()).update(numbers)
    return found
