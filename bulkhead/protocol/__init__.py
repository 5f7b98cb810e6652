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
from bulkhead.protocol.market import Market
from bulkhead.protocol.operators import Operators
from bulkhead.protocol.oracle import Oracle
from bulkhead.protocol.pool import Pool
from bulkhead.protocol.position import Position
from bulkhead.protocol.protocol import Protocol
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
    "Oracle",
    "OracleTerms",
    "OrderKind",
    "PerpetualTerms",
    "Pool",
    "Position",
    "Protocol",
    "Refused",
    "Status",
    "VoidReason",
    "Volatility",
    "VolatilityMarginRates",
    "VolatilityTerms",
]
