"""What several tests of keepers work on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bulkhead.chain import AnvilChain
from tests.integration.keeper_node import Node


@pytest.fixture(scope="module")
def deployed() -> Iterator[Node]:
    with AnvilChain() as chain:
        yield Node(chain)


@pytest.fixture
def node(deployed: Node) -> Iterator[Node]:
    deployed.told.clear()
    with deployed.chain.isolated():
        yield deployed
