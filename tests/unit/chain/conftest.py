"""The same probe contract on every backend; each test leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bulkhead.build import artifacts
from bulkhead.chain import AnvilChain, ApeChain, Contract, RevmChain
from bulkhead.chain.abi import Artifact

SUPPLY = 10**24
MADE_WITH = 7  # wei in the probe from its construction


@pytest.fixture(scope="session")
def artifact() -> Artifact:
    return artifacts()["ChainProbe"]


@pytest.fixture(scope="session")
def anvil() -> Iterator[AnvilChain]:
    with AnvilChain() as chain:
        yield chain


@pytest.fixture(scope="session")
def revm() -> RevmChain:
    return RevmChain()


@pytest.fixture(scope="session")
def ape_chain(anvil: AnvilChain) -> Iterator[ApeChain]:
    import ape

    with ape.networks.parse_network_choice("ethereum:local:foundry", provider_settings={"host": anvil.url}):
        yield ApeChain()


@pytest.fixture(params=["revm", "anvil"])
def local(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Every local backend in turn."""
    chain = request.getfixturevalue(request.param)
    with chain.isolated():
        yield chain


@pytest.fixture(params=["revm", "anvil", "ape_chain"])
def chain(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Every backend in turn, local or not."""
    owner = request.getfixturevalue("revm" if request.param == "revm" else "anvil")
    with owner.isolated():
        yield request.getfixturevalue(request.param)


def probe_on(chain: Any, artifact: Artifact) -> Contract:
    made: Contract = chain.deploy(artifact, chain.accounts[0], SUPPLY, value=MADE_WITH)
    return made


@pytest.fixture
def probe(chain: Any, artifact: Artifact) -> Contract:
    return probe_on(chain, artifact)


@pytest.fixture
def local_probe(local: Any, artifact: Artifact) -> Contract:
    return probe_on(local, artifact)
