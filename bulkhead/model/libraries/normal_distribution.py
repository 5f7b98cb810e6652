"""Twin of NormalDistribution.sol: the standard normal distribution."""

from __future__ import annotations

from bulkhead.model.libraries.elementary import exp_negative
from bulkhead.model.libraries.position_math import ONE

#: From here on nothing of the tail is left.
FAR = 16 * ONE

#: Of Mills' ratio, without signs: A's have 192 binary digits, B's 96. tools/minimax.py derives them.
A0, B0 = 2504238123708146784440871626993163634767271451951901270375, 72710255527815054625230145
A1, B1 = 6097845569883545778689953686308513321162190136531757345527, 48261489330636075158815172733
A2, B2 = 74449350432409264631843641720372984598960209962277377009648, 871086458384379923147308639274
A3, B3 = 13401494057763743193452651214915257283372510769297547784848, 5144354928535708179998117193179
A4, B4 = 28890890087990360568570267840747671625215067216172687656238300, 5574351845803883142744254746231
A5, B5 = 1836604291797094968405605094091657793063760103193305676731, 228610408056964205833308159650
A6, B6 = 124846047569297521205962763747694398096413064707312557938559, 78280216569310856979390027436


def cumulative(x: int) -> int:
    """N(x), 10**18 = 1, for any x; the error is below 5.1e-17, that of the last of 18 digits included."""
    distance = (min(abs(x), FAR) << 96) // ONE
    scale = exp_negative(distance * distance >> 97)
    p = ONE * scale * mills(distance) >> 192
    return ONE - p if x > 0 else p


def mills(x: int) -> int:
    """N(-x) e**(x**2 / 2), x and the result with 2**96 = 1: Mills' ratio over sqrt(2 pi)."""
    y = A4 // (x + B4 + A5 // (x + B5 + A6 // (x + B6)))
    y = A2 // (x + B2 - A3 // (x - B3 + y))
    return A0 // (x + B0 + A1 // (x - B1 + y))
