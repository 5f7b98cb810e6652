"""What a market's parts have fixed for good, read from the chain once, as the models that judge its positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bulkhead.build import artifacts
from bulkhead.chain import Chain, Revert
from bulkhead.model.instruments.perpetual import Parameters
from bulkhead.model.interfaces.market import MarketConfig
from bulkhead.model.margin.fixed_margin import FixedMargin
from bulkhead.protocol.config import camel
from bulkhead.protocol.market import Market


@dataclass(frozen=True)
class Terms:
    """`unit` is 10 ** (36 - the token's decimals), `fastest` the instrument's parameters: how fast carry can run."""

    config: MarketConfig
    unit: int
    fastest: Parameters
    margin_model: FixedMargin
    outage_limit: int

    @classmethod
    def of(cls, market: Market) -> Terms:
        """Of a market of perpetuals with fixed margins. Raises LookupError for another, or of unknown origin."""
        chain = market.chain
        raw = market.need_origin().config
        fields = {name: _field(raw, camel(name)) for name in MarketConfig.__dataclass_fields__}
        perpetual = _Constants(chain, "Perpetual", _field(raw, "instrument"))
        margin = _Constants(chain, "FixedMargin", _field(raw, "marginModel"))
        return cls(
            MarketConfig(**fields),
            10 ** (36 - market.token.decimals),
            Parameters(**{name: perpetual(name) for name in Parameters.__dataclass_fields__}),
            FixedMargin(margin("initial"), margin("target"), margin("maintenance")),
            int(market.oracle.contract.call.outageLimit()),
        )


class _Constants:
    """Immutables of a contract, by their names in Python."""

    def __init__(self, chain: Chain, name: str, address: str) -> None:
        self._name, self._address = name, address
        self._call = chain.contract(artifacts()[name], address).call

    def __call__(self, name: str) -> int:
        try:
            return int(getattr(self._call, name.upper())())
        except Revert:
            raise LookupError(f"{self._address} is no {self._name}: this keeper knows no other.") from None


def _field(record: Any, name: str) -> Any:
    return record[name] if isinstance(record, dict) else getattr(record, name)
