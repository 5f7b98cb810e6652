"""A deployment through every kind of provider, with accounts of every kind; and what cannot be connected to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from bulkhead import Protocol
from bulkhead.chain import AnvilChain, ApeChain, ChainError, NoContract, NodeUnreachable, Rejected, RevmChain, Web3Chain
from bulkhead.protocol import Market, Refused, Status, WrongDeployment, errors
from bulkhead.protocol.events import Opened
from bulkhead.protocol.local import LocalProtocol
from tests.unit.protocol.test_objects import addresses_of

KEY = "0x" + "21" * 32


@pytest.fixture
def record(protocol: LocalProtocol, tmp_path: Path) -> Path:
    """A file of addresses, as a user may write it down."""
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps({"chain_id": 31_337, **addresses_of(protocol.market())}))
    return file


def url(protocol: LocalProtocol) -> str:
    assert isinstance(protocol.chain, AnvilChain)
    return protocol.chain.url


def trade(protocol: LocalProtocol, market: Market, account: Any) -> None:
    """Approval, quote, order, execution and a refusal, all of it by one account that signs itself."""
    protocol.chain.set_balance(account.address, 10**18)
    protocol.fund(account.address, 1_000)
    market.token.approve(market, 1_000, sender=account)
    quote = market.quote(2, 500, price=2_000, time=protocol.chain.timestamp + 60, trader=account)
    assert quote.refusal is None
    position = market.open(2, 500, sender=account)
    protocol.set_price(2_000)
    opened = market.execute(position, sender=account)
    # Every transaction has a block of its own, but no time of its own here.
    assert isinstance(opened, Opened) and (opened.entry, opened.margin) == (quote.fill, quote.margin)
    state = position.state
    assert (state.trader, state.status, state.size) == (account.address, Status.OPEN, 2)
    sent = market.chain.nonce(account.address)  # type: ignore[attr-defined]
    with pytest.raises(errors.MarginTooSmall):
        position.remove_margin(350, sender=account)
    assert market.chain.nonce(account.address) == sent == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["url", "provider", "web3", "chain"])
def test_req48_through_a_plain_node(protocol: LocalProtocol, record: Path, kind: str) -> None:
    from web3 import HTTPProvider, Web3

    node = url(protocol)
    provider = {"url": node, "provider": HTTPProvider(node), "web3": Web3(HTTPProvider(node)), "chain": Web3Chain(node)}
    account = Account.from_key(KEY)
    there = Protocol.connect(provider[kind], record, accounts=[KEY])
    assert type(there.chain) is Web3Chain and there.chain.accounts[0] == account.address
    assert (there.chain is provider["chain"]) == (kind == "chain")
    trade(protocol, there.market("ETH"), account)
    trade(protocol, there.market("ETH"), Account.from_key("0x" + "22" * 32))  # another, never named before


def test_req48_through_a_provider_of_ape_with_its_accounts(protocol: LocalProtocol, record: Path) -> None:
    import ape

    with ape.networks.parse_network_choice(
        "ethereum:local:foundry", provider_settings={"host": url(protocol)}
    ) as provider:
        there = Protocol.connect(provider, record)
        assert isinstance(there.chain, ApeChain)
        assert there.chain.accounts[0] == ape.accounts.test_accounts[0].address
        named = Protocol.connect(provider, record, accounts=[ape.accounts.test_accounts[3]])
        assert named.chain.accounts == (ape.accounts.test_accounts[3].address,)
        trade(protocol, named.market("ETH"), ape.accounts.test_accounts[4])
        with pytest.raises(ChainError, match="ApeChain signs with ape accounts"):
            trade(protocol, named.market("ETH"), Account.from_key(KEY))
        with pytest.raises(ChainError, match="signs on ape's providers only"):
            Protocol.connect(url(protocol), record, accounts=[ape.accounts.test_accounts[3]])


def test_through_a_chain_in_this_process() -> None:
    local = Protocol.local()
    there = Protocol.connect(local.chain, addresses_of(local.market()))
    assert there.market().address == local.market().address
    with pytest.raises(TypeError, match="RevmChain signs for everybody"):
        Protocol.connect(RevmChain(), {"markets": {}}, accounts=[KEY])
    with pytest.raises(TypeError, match="leads to no node"):
        Protocol.connect(31_337, {"markets": {}})


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is no deployment record: name what `bulkhead deploy` has written"),
        ("[]", "is no deployment record: name what `bulkhead deploy` has written"),
        ("{}", "names no markets: is the deployment complete"),
        ('{"markets": ["ETH"]}', "names no markets"),
        ('{"markets": {"ETH": 5}}', "is no deployment record of this version"),
        ('{"markets": {"ETH": {"market": "0x00"}}}', "The addresses of market ETH lack its oracle"),
        ('{"markets": {"ETH": {"market": "0x00", "oracle": "0x00"}}}', "0x00"),
        ('{"markets": {"ETH": {}}, "steps": {"Lens": {}}}', "is no deployment record of this version"),
        ('{"chain_id": 1, "markets": {"ETH": {}}}', "is of chain 1, and the node of chain 31337"),
        ('{"genesis": "0x12", "markets": {"ETH": {}}}', "of another chain 31337: the node's has another first block"),
    ],
)
def test_req49_a_wrong_file_is_one_sentence(protocol: LocalProtocol, record: Path, content: str, sentence: str) -> None:
    record.write_text(content)
    with pytest.raises((WrongDeployment, ChainError)) as wrong:
        Protocol.connect(url(protocol), record)
    assert sentence in str(wrong.value) and "\n" not in str(wrong.value)


def test_req49_nothing_there(protocol: LocalProtocol, record: Path) -> None:
    with pytest.raises(WrongDeployment, match=r"nothing\.json cannot be read: No such file"):
        Protocol.connect(url(protocol), record.parent / "nothing.json")
    with pytest.raises(NodeUnreachable):
        Protocol.connect("http://127.0.0.1:9", record)
    content = json.loads(record.read_text())
    content["markets"]["ETH"]["market"] = "0x" + "99" * 20
    with pytest.raises(NoContract, match="there is no such contract"):
        Protocol.connect(url(protocol), content)


def test_req49_a_key_without_funds_sends_nothing(protocol: LocalProtocol, record: Path) -> None:
    there = Protocol.connect(url(protocol), record, accounts=["0x" + "31" * 32])
    poor, block = there.chain.accounts[0], there.chain.block_number
    node = protocol.chain
    assert isinstance(node, AnvilChain)
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))  # gas costs something, as elsewhere
    node.mine()
    with pytest.raises(Rejected, match="nsufficient funds"):
        there.market().token.approve(there.market(), 1)
    assert node.nonce(poor, pending=True) == 0 and there.chain.block_number == block + 1
    with pytest.raises(Refused):  # without tokens: refused before anybody asks for gas
        there.market().open(1, 500)
