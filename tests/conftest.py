"""Fixtures: the world is deployed once a session, a protocol on anvil once a file; every test has a snapshot of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead import Protocol
from bulkhead.chain import AnvilChain, RevmChain
from bulkhead.keeper.command import KEY, RPC
from bulkhead.protocol.local import LocalProtocol
from tests.addresses import SECRET, parts_of
from tests.world import World


@pytest.fixture(scope="session")
def deployed_world() -> World:
    return World(RevmChain())


@pytest.fixture
def world(deployed_world: World) -> Iterator[World]:
    with deployed_world.chain.isolated():
        yield deployed_world


@pytest.fixture(scope="module")
def deployed_protocol() -> Iterator[LocalProtocol]:
    with AnvilChain() as chain:
        yield Protocol.local(chain)


@pytest.fixture
def protocol(deployed_protocol: LocalProtocol) -> Iterator[LocalProtocol]:
    with deployed_protocol.isolated():
        yield deployed_protocol


@pytest.fixture
def record(protocol: LocalProtocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The addresses of its market, as a user may write them down; its node and a key stand in the environment."""
    monkeypatch.setenv(RPC, protocol.chain.url)  # type: ignore[attr-defined]
    monkeypatch.setenv(KEY, SECRET)
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"chain_id": 31_337, "markets": {"ETH": parts_of(protocol.market())}}))
    return file
