"""An anvil that looks like a public network: its chain id, and its token and feeds at their addresses."""

from __future__ import annotations

import time

from bulkhead.build import artifacts
from bulkhead.chain import AnvilChain, Contract
from bulkhead.chain.address import address_bytes
from bulkhead.protocol.networks import Feed, Network

SYMBOL, DESCRIPTION = "95d89b41", "7284e416"
PRICES = {"ETH / USD": 2_000 * 10**8, "BTC / USD": 60_000 * 10**8}


def named(selector: str, text: str, implementation: str) -> bytes:
    """Code that answers one question with a text and leaves everything else to the code of a mock."""
    answer = (32).to_bytes(32, "big") + len(text).to_bytes(32, "big") + text.encode().ljust(32, b"\0")
    delegate = "365f5f37" + f"5f5f365f73{address_bytes(implementation).hex()}5af4" + "3d5f5f3e"
    start = f"5f3560e01c63{selector}14" + "60{ask:02x}57" + delegate + "60{ok:02x}573d5ffd5b3d5ff3" + "5b6060"
    place = {"ask": 0, "ok": 0}
    head = bytes.fromhex(start.format(**place))
    place = {"ask": len(head) - 3, "ok": len(head) - 7}
    code = bytes.fromhex(start.format(**place) + f"60{len(head) + 8:02x}5f39" + "60605ff3")
    return code + answer


def public(network: Network) -> AnvilChain:
    """Starts it. The clock stands at now; every feed has two rounds."""
    anvil = AnvilChain(chain_id=network.network.chain_id, timestamp=int(time.time()))
    token = anvil.deploy(artifacts()["TokenMock"], network.token.decimals)
    anvil.set_code(network.token.address, named(SYMBOL, network.token.symbol, token.address))
    for market in network.markets:
        place(anvil, market.feed)
    return anvil


def place(anvil: AnvilChain, feed: Feed) -> None:
    """Puts a feed at its address, with two rounds."""
    proxy = place_feed(anvil, feed.address, feed.description, feed.decimals)
    for _ in range(2):
        proxy.send.push(PRICES[feed.description], anvil.timestamp, anvil.timestamp)


def place_feed(anvil: AnvilChain, at: str, description: str, decimals: int = 8) -> Contract:
    """A proxy that tells the name of its price, at an address, without a round."""
    artifact = artifacts()["FeedProxyMock"]
    mock = anvil.deploy(artifact, decimals)
    anvil.set_code(at, named(DESCRIPTION, description, mock.address))
    proxy = anvil.contract(artifact, at)
    proxy.send.newPhase()
    return proxy
