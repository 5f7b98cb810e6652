"""From what a script holds, a URL or somebody's provider object, to a chain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bulkhead.chain.ape import ApeChain
from bulkhead.chain.base import BaseChain, Chain
from bulkhead.chain.web3 import Web3Chain


def connect(provider: Any, accounts: Iterable[Any] = ()) -> Chain:
    """The chain behind a provider.

    provider   a URL (http, https, ws, wss), a web3 provider, a Web3, a connected provider of ape, or a chain of this
               package, which comes back as it is
    accounts   to send from, the first by default. With a node: private keys or eth_account accounts. With ape: accounts
               of ape; none takes its test accounts on a local network

    Nothing is asked of the node yet. Raises TypeError for any other object, ChainError for accounts of the other kind.
    """
    chain: Any
    if isinstance(provider, BaseChain):
        chain = provider
        for account in accounts:
            if not isinstance(chain, Web3Chain):
                raise TypeError(f"{type(chain).__name__} signs for everybody: leave accounts out.")
            chain.add_account(account)
    elif hasattr(provider, "network") and hasattr(provider, "web3"):
        chain = ApeChain(provider, list(accounts) or None)
    elif isinstance(provider, str) or hasattr(provider, "make_request"):
        chain = Web3Chain(provider, accounts)
    elif hasattr(provider, "provider"):
        chain = Web3Chain(provider.provider, accounts)
    else:
        raise TypeError(f"{provider!r} leads to no node: give a URL, a web3 provider, a provider of ape, or a chain.")
    return chain  # type: ignore[no-any-return]
