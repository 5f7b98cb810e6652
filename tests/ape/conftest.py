"""Tests under ape's plugin, by `ape test`: its network, its accounts, its isolation of every test.

Plain pytest leaves this folder alone, because the plugin would connect every run of every worker to a chain
(pyproject.toml switches it off); tests/integration/test_ape.py runs it in a process of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ape
import pytest

from bulkhead.chain import Address, ApeChain
from bulkhead.chain.base import RICH
from tests.world import World


def pytest_configure(config: pytest.Config) -> None:
    if "ape_test._cli" in sys.modules:  # `ape test`, whose options pytest knows by now
        from ape.pytest import plugin

        plugin.pytest_configure(config)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if config.pluginmanager.has_plugin("ape-test") else True


class LocalApeChain(ApeChain):
    """With what the world needs of ape's own network: its clock, and ether for everybody."""

    def set_time(self, timestamp: int) -> None:
        ape.chain.pending_timestamp = timestamp
        ape.chain.mine()

    def new_account(self, label: str) -> Address:
        account = super().new_account(label)
        ape.chain.set_balance(account, RICH)
        return account


@pytest.fixture(scope="session")
def world(accounts: Any) -> World:
    """The world of the other tests, on the network that ape is connected to; ape undoes what a test does to it."""
    return World(LocalApeChain(accounts=list(accounts)))  # type: ignore[arg-type]
