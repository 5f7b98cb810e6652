"""Twin of OptionFill.sol: what an option costs more at one volatility than at another, as a share of the index."""

from __future__ import annotations

from bulkhead.model.integers import saturating_sub
from bulkhead.model.libraries import black_scholes
from bulkhead.model.libraries.elementary import exp_negative
from bulkhead.model.libraries.position_math import ONE, mul_up

YEAR = 365 * 86_400


def largest_difference_up(strike: int, low: int, high: int, below: int, above: int, time: int) -> int:
    """The largest (C(S, above) - C(S, below)) / S for S within [low, high], 1e18 = 100 %, rounded up.

    It rises up to S = K e**(-above x below x T / 2) and falls from there on: d2 of both volatilities is the same there.
    """
    if above <= below or time == 0:
        return 0
    exponent = (above * below * time << 96) // (2 * YEAR * ONE * ONE)
    peak = strike * exp_negative(exponent) >> 96
    spot = min(max(peak, low), high)
    dear, _ = black_scholes.price(spot, strike, above, time)
    cheap, _ = black_scholes.price(spot, strike, below, time)
    return mul_up(saturating_sub(dear, cheap), ONE, spot)
