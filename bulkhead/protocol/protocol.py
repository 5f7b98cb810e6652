"""Where a script begins: the markets of one deployment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkhead.build import artifacts
from bulkhead.chain import Abi, Chain, DecodingError, LocalChain, Web3Chain, connect, to_address
from bulkhead.model.oracles.source import Kind
from bulkhead.protocol.config import MarketTerms
from bulkhead.protocol.market import Market, Origin
from bulkhead.protocol.operators import Operators
from bulkhead.protocol.option_market import OptionMarket
from bulkhead.protocol.oracle import Oracle
from bulkhead.protocol.units import Number, to_datetime

if TYPE_CHECKING:
    from bulkhead.protocol.local import LocalProtocol
    from bulkhead.protocol.options import OptionTerms


class WrongDeployment(ValueError):
    """The deployment that a script names is none, is not complete, or stands on another chain."""


class Protocol:
    """A deployment on a chain; `markets` by name.

    Protocol.local()                      a chain of one's own with mock token and feeds, ready to trade
    Protocol.connect(provider, "FILE")    what a deployment record says
    """

    def __init__(self, chain: Chain, markets: Mapping[str, Market]) -> None:
        self.chain = chain
        self.markets = dict(markets)

    @classmethod
    def connect(
        cls, provider: Any, deployment: str | Path | Mapping[str, Any], accounts: Iterable[Any] = ()
    ) -> Protocol:
        """What stands on a chain already. Nothing is sent.

        provider    a URL, a web3 provider, a Web3, a provider of ape, or a chain: see `bulkhead.chain.connect`
        deployment  the file that `bulkhead deploy` has written, or {"chain_id": ID, "markets": {NAME: {"market":
                    ADDRESS, "oracle": ADDRESS}}}. Each market may name more: "feeds" (the primary first, None for
                    what is not Chainlink's), without which no proof can be found; "operators"; "lens", without which a
                    position's state is not known; "factory" and "config", what the market was created by and from,
                    without which there are no quotes; "options_lens" says that it is a market of options, which needs
                    the three before, too
        accounts    private keys or eth_account accounts; with a provider of ape, accounts of ape

        Raises WrongDeployment, NodeUnreachable, NoContract where nothing stands at a market's address.
        """
        chain = connect(provider, accounts)
        content = read_record(deployment) if isinstance(deployment, str | Path) else deployment
        name = str(deployment) if isinstance(deployment, str | Path) else "the deployment"
        if (
            not isinstance(content, Mapping)
            or not isinstance(content.get("markets"), Mapping)
            or not content["markets"]
        ):
            raise WrongDeployment(f"{name} names no markets: is the deployment complete?")
        _same_chain(chain, content, name)
        try:
            markets = {market: _recorded(content, market) | parts for market, parts in content["markets"].items()}
        except (KeyError, TypeError, ValueError, LookupError, DecodingError):
            raise WrongDeployment(f"{name} is no deployment record of this version.") from None
        chain.register(*artifacts().values())
        return cls(chain, {market: _market(chain, market, parts) for market, parts in markets.items()})

    @property
    def now(self) -> datetime:
        """The time of the latest block."""
        return to_datetime(self.chain.timestamp)

    @staticmethod
    def local(
        chain: LocalChain | None = None,
        *,
        prices: Mapping[str, Number] | None = None,
        liquidity: Number = 1_000_000,
        decimals: int = 6,
        terms: MarketTerms | None = None,
        options: OptionTerms | None = None,
    ) -> LocalProtocol:
        """Deploys on a chain of one's own, by default in this process: a market for each price (ETH at 2,000).

        liquidity  tokens that a provider puts into each pool
        decimals   of the mock token
        terms      of every market; the shipped ones by default
        options    of a market of options beside each, on a feed that speaks every minute: "ETH options"
        """
        from bulkhead.chain import RevmChain
        from bulkhead.protocol.local import LocalProtocol

        return LocalProtocol(chain or RevmChain(), prices or {"ETH": 2_000}, liquidity, decimals, terms, options)

    def market(self, name: str | None = None) -> Market:
        """A market by name; without one the only market. Raises LookupError that says which there are."""
        if name is None and len(self.markets) == 1:
            return next(iter(self.markets.values()))
        if name is None or name not in self.markets:
            wrong = "There is more than one market" if name is None else f"There is no market {name}"
            raise LookupError(f"{wrong}: name one of {', '.join(self.markets)}.")
        return self.markets[name]

    def options(self, name: str | None = None) -> OptionMarket:
        """A market of options by its name or its underlying's, "ETH" for "ETH options"; without one the only one.

        Raises LookupError that says which there are.
        """
        listed = {key: market for key, market in self.markets.items() if isinstance(market, OptionMarket)}
        if name is None and len(listed) == 1:
            return next(iter(listed.values()))
        for label in (name, f"{name} options"):
            if label in listed:
                return listed[label]
        asked = f"{name} options" if name else "of options"
        raise LookupError(f"There is no market {asked}: there are {', '.join(listed) or 'none'}.")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {', '.join(self.markets)}>"


def read_record(file: str | Path) -> dict[str, Any]:
    """What `bulkhead deploy` has written, or somebody by hand. Raises WrongDeployment."""
    try:
        content = json.loads(Path(file).read_text())
    except OSError as error:
        raise WrongDeployment(f"{file} cannot be read: {error.strerror}.") from None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise WrongDeployment(f"{file} is no deployment record: name what `bulkhead deploy` has written.")
    return content


def _same_chain(chain: Chain, content: Mapping[str, Any], name: str) -> None:
    wanted = content.get("chain_id", chain.chain_id)
    if wanted != chain.chain_id:
        raise WrongDeployment(f"{name} is of chain {wanted}, and the node of chain {chain.chain_id}.")
    if not isinstance(chain, Web3Chain) or "genesis" not in content:
        return
    if content["genesis"] != chain.rpc("eth_getBlockByNumber", "0x0", False)["hash"]:
        raise WrongDeployment(f"{name} is of another chain {wanted}: the node's has another first block.")


def sources_of(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A market's sources on a deployment record, as SourceConfig: the primary, validators, a second leg last.

    None of a file that has no steps, as somebody has written it by hand. Raises KeyError, TypeError.
    """
    if not content.get("steps"):
        return []
    settings = content["steps"][f"{name} oracle"]["arguments"][0]
    leg = [settings["leg"]] if settings["composition"] else []
    return [settings["primary"], *settings["validators"], *leg]


def _recorded(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the steps of a deployment record tell about a market, beyond its own addresses."""
    steps: Mapping[str, Any] = content.get("steps", {})
    if not steps:
        return {}
    feeds = [one["at"] if one["kind"] == Kind.CHAINLINK else None for one in sources_of(content, name)]
    parts = {part.lower(): steps[part]["address"] for part in ("Operators", "Lens", "Factory")}
    if steps.get(f"{name} instrument", {}).get("contract") == "EuropeanOptions":
        parts["options_lens"] = steps["OptionsLens"]["address"]
    # Its readable arguments are for readers: large integers are strings there.
    create = Abi(artifacts()["Factory"].abi).function("createMarket")
    (config,) = create.inputs.decode(bytes.fromhex(steps[f"{name} market"]["encoded"][2:]))
    return parts | {"feeds": feeds, "config": config._asdict()}


def _market(chain: Chain, name: str, parts: Mapping[str, Any]) -> Market:
    for part in ("market", "oracle"):
        if part not in parts:
            raise WrongDeployment(f"The addresses of market {name} lack its {part}.")
    oracle = Oracle(chain, parts["oracle"], parts.get("feeds", ()))
    operators = Operators(chain, parts["operators"]) if "operators" in parts else None
    origin = Origin(to_address(parts["factory"]), parts["config"]) if {"factory", "config"} <= set(parts) else None
    market = Market(chain, parts["market"], oracle, operators, parts.get("lens"), name, origin)
    if "options_lens" not in parts:
        return market
    if market.lens is None or origin is None:
        raise WrongDeployment(f"Market {name} is of options: name its lens, factory and config, too.")
    return OptionMarket(market, parts["options_lens"])
