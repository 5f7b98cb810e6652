"""The front door: the objects a user's script speaks to."""

from bulkhead.model.interfaces.market import Action, ExitKind, OrderKind, Status, VoidReason
from bulkhead.protocol.config import (
    FixedMarginRates,
    MarketTerms,
    OracleTerms,
    PerpetualTerms,
    VolatilityMarginRates,
    VolatilityTerms,
)
from bulkhead.protocol.deployment import Deployment, MarketContracts
from bulkhead.protocol.errors import Refused
from bulkhead.protocol.leg import Leg
from bulkhead.protocol.market import Market, Quote
from bulkhead.protocol.operators import Operators
from bulkhead.protocol.option_market import OptionLeg, OptionMarket
from bulkhead.protocol.options import OptionMarginRates, OptionTerms
from bulkhead.protocol.oracle import Oracle
from bulkhead.protocol.pool import Pool
from bulkhead.protocol.position import Position, PositionState
from bulkhead.protocol.protocol import Protocol, WrongDeployment
from bulkhead.protocol.volatility import Volatility

__all__ = [
    "Action",
    "Deployment",
    "ExitKind",
    "FixedMarginRates",
    "Leg",
    "Market",
    "MarketContracts",
    "MarketTerms",
    "Operators",
    "OptionLeg",
    "OptionMarginRates",
    "OptionMarket",
    "OptionTerms",
    "Oracle",
    "OracleTerms",
    "OrderKind",
    "PerpetualTerms",
    "Pool",
    "Position",
    "PositionState",
    "Protocol",
    "Quote",
    "Refused",
    "Status",
    "VoidReason",
    "Volatility",
    "VolatilityMarginRates",
    "VolatilityTerms",
    "WrongDeployment",
]
