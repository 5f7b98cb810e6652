"""Upkeep of a market for a fee: what to do is found by an index, decided by a pure policy, and sent by a runner."""

from bulkhead.keeper.policy import Intent, State, decide
from bulkhead.keeper.runner import Done, Keeper
from bulkhead.keeper.settings import Job, Settings

__all__ = ["Done", "Intent", "Job", "Keeper", "Settings", "State", "decide"]
