"""A deployment of one's own: how its configuration file begins, and tokens for those who use it."""

from __future__ import annotations

from bulkhead.build import artifacts
from bulkhead.protocol import Market

HEAD = """
[network]
name = "mine"
chain_id = 31337
[token]
symbol = "TEST"
decimals = 6
mock = true
"""


def provide(market: Market, deposit: int, *others: str) -> None:
    """The chain's first account deposits so many tokens; it and the others have more, for market and pool to take."""
    token = market.chain.contract(artifacts()["TokenMock"], market.token.address)
    for account in (market.chain.accounts[0], *others):
        token.send.mint(account, 10**12)
        for spender in (market, market.pool):
            market.token.approve(spender, 1_000_000, sender=account)
    market.pool.deposit(deposit)
