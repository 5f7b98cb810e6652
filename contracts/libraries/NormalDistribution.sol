// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Elementary} from "./Elementary.sol";

/// @title The standard normal distribution.
library NormalDistribution {
    uint256 private constant ONE = 1e18;
    /// @dev From here on nothing of the tail is left.
    uint256 private constant FAR = 16e18;

    // Of Mills' ratio, without signs: A's have 192 binary digits, B's 96. tools/minimax.py derives them.
    uint256 private constant A0 = 2504238123708146784440871626993163634767271451951901270375;
    uint256 private constant B0 = 72710255527815054625230145;
    uint256 private constant A1 = 6097845569883545778689953686308513321162190136531757345527;
    uint256 private constant B1 = 48261489330636075158815172733;
    uint256 private constant A2 = 74449350432409264631843641720372984598960209962277377009648;
    uint256 private constant B2 = 871086458384379923147308639274;
    uint256 private constant A3 = 13401494057763743193452651214915257283372510769297547784848;
    uint256 private constant B3 = 5144354928535708179998117193179;
    uint256 private constant A4 = 28890890087990360568570267840747671625215067216172687656238300;
    uint256 private constant B4 = 5574351845803883142744254746231;
    uint256 private constant A5 = 1836604291797094968405605094091657793063760103193305676731;
    uint256 private constant B5 = 228610408056964205833308159650;
    uint256 private constant A6 = 124846047569297521205962763747694398096413064707312557938559;
    uint256 private constant B6 = 78280216569310856979390027436;

    /// @notice N(x), 1e18 = 1, for any x; the error is below 5.1e-17, that of the last of 18 digits included.
    function cumulative(int256 x) internal pure returns (uint256 p) {
        uint256 distance;
        uint256 exponent;
        assembly ("memory-safe") {
            let sign := sar(255, x)
            distance := sub(xor(x, sign), sign)
            distance := xor(distance, mul(xor(distance, FAR), gt(distance, FAR)))
            // slither-disable-next-line divide-before-multiply
            distance := div(shl(96, distance), ONE)
            exponent := shr(97, mul(distance, distance))
        }
        uint256 scale = Elementary.expNegative(exponent);
        uint256 ratio = mills(distance);
        assembly ("memory-safe") {
            let sign := sgt(x, 0)
            p := shr(192, mul(ONE, mul(scale, ratio)))
            p := add(mul(sign, ONE), mul(sub(1, shl(1, sign)), p))
        }
    }

    /// @notice N(-x) e ** (x ** 2 / 2), x and the result with 2 ** 96 = 1, for x < 2 ** 250: Mills' ratio over sqrt(2 pi).
    /// @dev a0 / (x + b0 + a1 / (x + b1 + ...)) with a3, b1 and b3 negative; no denominator is below 0.4. The error is below
    /// 4.95e-17 e ** (0.4 x ** 2), and below 4e-8. It is 1/2 at 0, exactly.
    function mills(uint256 x) internal pure returns (uint256 y) {
        assembly ("memory-safe") {
            y := div(A4, add(add(div(A5, add(add(div(A6, add(x, B6)), B5), x)), B4), x))
            y := div(A2, add(sub(B2, div(A3, sub(x, sub(B3, y)))), x))
            y := div(A0, add(add(div(A1, sub(x, sub(B1, y))), B0), x))
        }
    }
}
