"""Mocks for a deployment: on a local chain, and in a rehearsal in the place of what the network has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import log
from typing import Any

from bulkhead.build import artifacts
from bulkhead.chain import ZERO, Contract, Revert, RevmChain
from bulkhead.chain.address import to_bytes
from bulkhead.model.oracles.oracle_settings import Composition
from bulkhead.protocol.config import amount
from bulkhead.protocol.networks import Market, Network
from bulkhead.protocol.sources import Feed, PoolValidator, Primary, PythPrice, Validator

#: Rounds of a feed within a phase: the low bits of a round's id.
ROUNDS = 2**64 - 1
#: Code that puts the selector of a call on the stack, and its first argument.
SELECTOR, ARGUMENT = bytes.fromhex("5f3560e01c"), bytes.fromhex("600435")
#: Functions of a pool and of the tokens in it.
OBSERVE, SLOT0, TOKEN0, TOKEN1 = (bytes.fromhex(code) for code in ("883bdbfd", "3850c7bd", "0dfe1681", "d21220a7"))
#: The most that a pool can remember.
FULL_RING = 65_535


def speak(feed: Contract, price: Decimal, decimals: int, speaker: str, oldest: int) -> None:
    """Rounds of a mock feed until it has two, for a price without a predecessor proves nothing, and one is not old.

    A deployment that goes on after a while needs a price again: what was said last.
    """
    while True:
        latest, now = _latest(feed), feed.chain.timestamp
        if latest is not None and latest[0] & ROUNDS > 1 and now - latest[3] <= oldest:
            return
        answer = amount(price, decimals) if latest is None else latest[1]
        feed.send.push(answer, now, now, sender=speaker)


def stand_in(chain: RevmChain, network: Network) -> None:
    """Puts mocks at the addresses of the real token and sources; all sources of a market agree."""
    if network.token.address:
        chain.set_code(network.token.address, chain.code(_mock(chain, "TokenMock", network.token.decimals)))
    prices_of_pyth: dict[str, dict[bytes, list[int]]] = {}
    for market in network.markets:
        own = _price(market)
        for source in market.sources.values():
            price = _price_of(market, source, own)
            if isinstance(source, PythPrice):
                said = [int(price.scaleb(source.decimals)), 0, -source.decimals, chain.timestamp]
                prices_of_pyth.setdefault(source.address, {})[source.id_bytes()] = said
            elif isinstance(source, PoolValidator):
                _pool(chain, source, price)
            elif source.address:
                feed = _feed(chain, source.address, source.decimals)
                speak(feed, price, source.decimals, chain.accounts[0], 0)
        if market.oracle.sequencer != ZERO:
            up = _feed(chain, market.oracle.sequencer, 0)
            up.send.push(0, chain.timestamp - 10 * market.oracle.grace - 1, chain.timestamp)
    for address, prices in prices_of_pyth.items():
        chain.set_code(address, _answering(ARGUMENT, prices))


def _latest(feed: Contract) -> Any:
    try:
        return feed.call.latestRoundData()
    except Revert:
        return None


def _price(market: Market) -> Decimal:
    """What the feed says: a price within all bounds, or that of a mock among its sources."""
    checked = [one for one in market.validators if not isinstance(one, PythPrice) and not one.composed]
    for source in (market.feed, *checked):
        if isinstance(source, Feed) and source.mock_price is not None:
            return source.mock_price
    bounded = [market.oracle, *checked]
    return _within(max(one.lowest for one in bounded), min(one.highest for one in bounded))


def _price_of(market: Market, source: Primary | Validator, own: Decimal) -> Decimal:
    """What a source of a market says whose feed says its `own`."""
    leg = market.leg
    if leg is None:
        return own
    factor = _within(leg.lowest, leg.highest) if leg.mock_price is None else leg.mock_price
    if source is leg:
        return factor
    if not getattr(source, "composed", False):
        return own
    return own / factor if leg.operation is Composition.DIVIDE else own * factor


def _within(low: Decimal, high: Decimal) -> Decimal:
    return min(max(Decimal(1), 2 * low), (low + high) / 2).quantize(Decimal("1e-8"))


def _mock(chain: RevmChain, name: str, decimals: int) -> Contract:
    """Made by an account of its own: what others have made on the real chain may have to stand at their addresses."""
    return chain.deploy(artifacts()[name], decimals, sender=chain.new_account("stand-ins"))


def _feed(chain: RevmChain, address: str, decimals: int) -> Contract:
    chain.set_code(address, chain.code(_mock(chain, "FeedProxyMock", decimals)))
    feed = chain.contract(artifacts()["FeedProxyMock"], address)
    feed.send.newPhase()
    return feed


def _pool(chain: RevmChain, pool: PoolValidator, price: Decimal) -> None:
    """It has always been at this price, and has tokens with the decimals that its oracle will pin."""
    own, other = (_mock(chain, "TokenMock", decimals).address for decimals in (pool.decimals, pool.quote_decimals))
    tokens = (other, own) if pool.inverted else (own, other)
    tick = round(log(price.scaleb(pool.quote_decimals - pool.decimals)) / log(1.0001))
    ticks = (-tick if pool.inverted else tick) * pool.window
    answers: dict[bytes, list[int]] = {
        OBSERVE: [0x40, 0xA0, 2, 0, ticks, 2, 0, 1],
        SLOT0: [0, 0, 0, FULL_RING, FULL_RING, 0, 1],
    }
    answers |= {which: [int.from_bytes(to_bytes(token))] for which, token in zip((TOKEN0, TOKEN1), tokens, strict=True)}
    chain.set_code(pool.address, _answering(SELECTOR, answers))


def _answering(asked: bytes, answers: Mapping[bytes, Sequence[int]]) -> bytes:
    """Code that answers words by what `asked` puts on the stack, and reverts where it knows no answer."""
    # DUP1, PUSHn key, EQ, PUSH2 place, JUMPI; at the place JUMPDEST, PUSH2 size, PUSH2 from, PUSH0, CODECOPY, RETURN.
    place = len(asked) + sum(len(key) + 7 for key in answers) + 3
    data_at = place + 14 * len(answers)
    jumps, copies, data = b"", b"", b""
    for key, words in answers.items():
        jumps += bytes([0x80, 0x5F + len(key)]) + key + b"\x14\x61" + (place + len(copies)).to_bytes(2) + b"\x57"
        size, begin = (32 * len(words)).to_bytes(2), (data_at + len(data)).to_bytes(2)
        copies += b"\x5b\x61" + size + b"\x61" + begin + b"\x5f\x39\x61" + size + b"\x5f\xf3"
        data += b"".join((word % 2**256).to_bytes(32) for word in words)
    return asked + jumps + bytes.fromhex("5f5ffd") + copies + data
