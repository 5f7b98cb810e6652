"""Where a script begins: the markets of one deployment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkhead.build import artifacts
from bulkhead.chain import Abi, Chain, LocalChain, to_address
from bulkhead.protocol.config import MarketTerms
from bulkhead.protocol.market import Market, Origin
from bulkhead.protocol.operators import Operators
from bulkhead.protocol.oracle import Oracle
from bulkhead.protocol.units import Number

if TYPE_CHECKING:
    from bulkhead.protocol.local import LocalProtocol


class Protocol:
    """A deployment on a chain; `markets` by name.

    Protocol.local()                a chain of one's own with mock token and feeds, ready to trade
    Protocol.at(chain, "FILE")      what a deployment record says
    """

    def __init__(self, chain: Chain, markets: Mapping[str, Market]) -> None:
        self.chain = chain
        self.markets = dict(markets)

    @classmethod
    def at(cls, chain: Chain, addresses: str | Path | Mapping[str, Any]) -> Protocol:
        """What stands on a chain already.

        `addresses` is a deployment record's file, or {"markets": {NAME: {"market": ADDRESS, "oracle": ADDRESS}}}. Each
        market may name more: "feeds" (the primary first), without which no proof can be found; "operators"; "lens";
        "factory" and "config", what the market was created by and from, without which there are no quotes.
        Raises ValueError where a market is incomplete, or there is none.
        """
        content = json.loads(Path(addresses).read_text()) if isinstance(addresses, str | Path) else addresses
        if not isinstance(content, Mapping) or not content.get("markets"):
            raise ValueError(f"{addresses} names no markets: is the deployment complete?")
        markets = {name: _recorded(content, name) | parts for name, parts in content["markets"].items()}
        chain.register(*artifacts().values())
        return cls(chain, {name: _market(chain, name, parts) for name, parts in markets.items()})

    @staticmethod
    def local(
        chain: LocalChain | None = None,
        *,
        prices: Mapping[str, Number] | None = None,
        liquidity: Number = 1_000_000,
        decimals: int = 6,
        terms: MarketTerms | None = None,
    ) -> LocalProtocol:
        """Deploys on a chain of one's own, by default in this process: a market for each price (ETH at 2,000).

        liquidity  tokens that a provider puts into each pool
        decimals   of the mock token
        terms      of every market; the shipped ones by default
        """
        from bulkhead.chain import RevmChain
        from bulkhead.protocol.local import LocalProtocol

        return LocalProtocol(chain or RevmChain(), prices or {"ETH": 2_000}, liquidity, decimals, terms)

    def market(self, name: str | None = None) -> Market:
        """A market by name; without one the only market. Raises LookupError that says which there are."""
        if name is None and len(self.markets) == 1:
            return next(iter(self.markets.values()))
        if name not in self.markets:
            raise LookupError(f"There is no market {name or 'without a name'}: name one of {', '.join(self.markets)}.")
        return self.markets[name]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {', '.join(self.markets)}>"


def _recorded(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the steps of a deployment record tell about a market, beyond its own addresses."""
    steps: Mapping[str, Any] = content.get("steps", {})
    if not steps:
        return {}
    settings = steps[f"{name} oracle"]["arguments"][0]
    leg = [settings["leg"]] if settings["composition"] else []
    feeds = [source["at"] for source in (settings["primary"], *settings["validators"], *leg)]
    parts = {part.lower(): steps[part]["address"] for part in ("Operators", "Lens", "Factory")}
    # Its readable arguments are for readers: large integers are strings there.
    create = Abi(artifacts()["Factory"].abi).function("createMarket")
    (config,) = create.inputs.decode(bytes.fromhex(steps[f"{name} market"]["encoded"][2:]))
    return parts | {"feeds": feeds, "config": config}


def _market(chain: Chain, name: str, parts: Mapping[str, Any]) -> Market:
    for part in ("market", "oracle"):
        if part not in parts:
            raise ValueError(f"The addresses of market {name} lack its {part}.")
    oracle = Oracle(chain, parts["oracle"], parts.get("feeds", ()))
    operators = Operators(chain, parts["operators"]) if "operators" in parts else None
    origin = Origin(to_address(parts["factory"]), parts["config"]) if {"factory", "config"} <= set(parts) else None
    return Market(chain, parts["market"], oracle, operators, parts.get("lens"), name, origin)
