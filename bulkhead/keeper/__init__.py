"""Upkeep of a market for a fee: what to do is found by an index, decided by a pure policy, and sent by a runner."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bulkhead.keeper.settings import Job, Settings

if TYPE_CHECKING:
    from bulkhead.keeper.policy import Intent, State, decide
    from bulkhead.keeper.runner import Done, Keeper

__all__ = ["Done", "Intent", "Job", "Keeper", "Settings", "State", "decide"]

_WHERE = {"Done": "runner", "Intent": "policy", "Keeper": "runner", "State": "policy", "decide": "policy"}


def __getattr__(name: str) -> Any:
    # What signs takes longer to load than all else: not for the --help of a command, nor for each worker of a campaign.
    if name in _WHERE:
        return getattr(import_module(f"bulkhead.keeper.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
