"""What a user may write down about a market instead of a deployment record."""

from __future__ import annotations

from typing import Any

from bulkhead.protocol import Market

#: The key of an account that runs commands on it.
SECRET = "0x" + "44" * 32


def parts_of(market: Market) -> dict[str, Any]:
    """An entry of a record's markets, with all that proofs and quotes need; no lens, no operators."""
    origin = market.need_origin()
    return {
        "market": market.address,
        "oracle": market.oracle.address,
        "feeds": [feed.contract.address for feed in market.oracle.feeds],
        "factory": origin.factory,
        "config": origin.config,
    }
