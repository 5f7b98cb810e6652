"""The front door: the objects a user's script speaks to."""

from bulkhead.protocol.config import FixedMarginRates, MarketTerms, PerpetualTerms
from bulkhead.protocol.deployment import Deployment, MarketContracts

__all__ = ["Deployment", "FixedMarginRates", "MarketContracts", "MarketTerms", "PerpetualTerms"]
