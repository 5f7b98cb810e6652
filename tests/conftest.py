"""Fixtures: the world is deployed once a session, every test runs in a snapshot of its own."""

from collections.abc import Iterator

import pytest

from bulkhead.chain import RevmChain
from tests.world import World


@pytest.fixture(scope="session")
def deployed_world() -> World:
    return World(RevmChain())


@pytest.fixture
def world(deployed_world: World) -> Iterator[World]:
    with deployed_world.chain.isolated():
        yield deployed_world
