// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title The exponential, the logarithm and the square root that the price of an option needs, and the root of an integer.
/// @dev Numbers but the last's are binary fractions: 2 ** 96 stands for 1, and a unit is 2 ** -96. Nothing here reverts. Errors are stated
/// for the ranges given, within which nothing overflows. The approximations are continued fractions
/// c0 + z / (c1 + z / (c2 + ...)): a division costs as much gas as a multiplication, gives one more power of z and needs no
/// shift, as a square is a fraction of 192 bits. tools/minimax.py derives their coefficients, which minimise the largest error.
library Elementary {
    uint256 private constant LN2 = 54916777467707473351141471128;
    uint256 private constant PER_LN2 = 114302077158074026402637675937;
    uint256 private constant HALF = 1 << 191;

    // r coth(r / 2) for r within ln(2) / 2 of 0, z = r ** 2.
    uint256 private constant E0 = 158456325028528679416512634691;
    uint256 private constant E1 = 475368975085611377811753463705;
    uint256 private constant E2 = 792281625260834862026023165157;
    uint256 private constant E3 = 1109194715974110641186015299093;
    uint256 private constant E4 = 1427296543990100032774204522610;

    // s / (2 artanh s) for s within 0 and 1 / 3, z = s ** 2; each fraction is subtracted.
    uint256 private constant L0 = 39614081257132028533192681684;
    uint256 private constant L1 = 475368975089794975582413197597;
    uint256 private constant L2 = 49517601347201733009161647522;
    uint256 private constant L3 = 492975678568241853926439407486;
    uint256 private constant L4 = 50132200342638799036079813626;
    uint256 private constant L5 = 497974016798695121971769699402;
    uint256 private constant L6 = 45201242907019778778055184580;

    /// @dev Of a quotient by 0; its logarithm is beyond that of every other, and its square is not yet beyond 256 bits.
    uint256 private constant INFINITE = 1 << 50;

    // A second of a year of 365 days, 2 ** 192 for 1; and the scale of a root's first guess.
    uint256 private constant SECOND = 199045590290039344363133860451790538308674386239981;
    uint256 private constant GUESS = 272606208579601628876496748;

    /// @notice e ** -x for x below 2 ** 55; the error is below 1e-18 of it, or a unit.
    /// @dev x = k ln 2 + r, and e ** -r = (w - r) / (w + r) with w = r coth(r / 2), which depends on r ** 2 only.
    function expNegative(uint256 x) internal pure returns (uint256 y) {
        assembly ("memory-safe") {
            let k := shr(192, add(mul(x, PER_LN2), HALF))
            let r := sub(x, mul(k, LN2))
            let z := mul(r, r)
            let w := add(E0, div(z, add(E1, div(z, add(E2, div(z, add(E3, div(z, E4))))))))
            y := shr(k, div(shl(96, sub(w, r)), add(w, r)))
        }
    }

    /// @notice ln(larger / smaller) for smaller <= larger < 2 ** 128; the error is below 4e-15 of it, or a unit. 2 ** 49 or
    /// more if `smaller` is 0.
    /// @dev larger = 2 ** k x q x smaller with 1 <= q < 2, and ln q = 2 artanh s with s = (q - 1) / (q + 1).
    function lnQuotient(uint256 larger, uint256 smaller) internal pure returns (uint256 y) {
        unchecked {
            uint256 k;
            if (larger >= smaller << 1) {
                k = smaller == 0 ? INFINITE : Math.log2(larger / smaller);
                smaller <<= k;
            }
            assembly ("memory-safe") {
                // slither-disable-next-line divide-before-multiply
                let s := div(shl(96, sub(larger, smaller)), add(larger, smaller))
                let z := mul(s, s)
                let d := sub(L3, div(z, sub(L4, div(z, sub(L5, div(z, L6))))))
                d := sub(L0, div(z, sub(L1, div(z, sub(L2, div(z, d))))))
                y := add(mul(k, LN2), div(shl(96, s), d))
            }
        }
    }

    /// @notice The square root of the years that `time` seconds are, for time < 2 ** 30; the error is below 1e-18 of it.
    /// @dev Five of Newton's steps. The guess t / (t + 32) x 19.3, with t the time in units of 1, 2 ** 10 or 2 ** 20 seconds,
    /// is too small by a factor of 1.71 at most; after each step it is too large, by 15 %, 0.94 %, 4.4e-5, 9.6e-10, 4.6e-19.
    function sqrtYears(uint256 time) internal pure returns (uint256 y) {
        assembly ("memory-safe") {
            let n := mul(5, add(gt(time, 0x3ff), gt(time, 0xfffff)))
            let square := mul(time, SECOND)
            // slither-disable-next-line incorrect-shift
            y := div(mul(time, GUESS), add(shr(n, time), shl(n, 32)))
            y := shr(1, add(y, div(square, y)))
            y := shr(1, add(y, div(square, y)))
            y := shr(1, add(y, div(square, y)))
            y := shr(1, add(y, div(square, y)))
            y := shr(1, add(y, div(square, y)))
        }
    }

    /// @notice The square root of x < 2 ** 128, rounded up.
    /// @dev Four of Newton's steps and a correction. With x = 16 u 2 ** e, u from 1 / 16 to 16, the guess is 4 x 2 ** (e / 2)
    /// (9 u + 2) / (2 u + 9), within 12 % of the root; after each step it is too large, by 0.7 %, 2.3e-5, 2.7e-10, 4e-20 at
    /// most, which is less than a unit. Rounded down, a step never falls below the root rounded down.
    function sqrtUp(uint256 x) internal pure returns (uint256 y) {
        assembly ("memory-safe") {
            let e := shl(6, gt(x, 0xffffffffffffffff))
            e := or(e, shl(5, gt(shr(e, x), 0xffffffff)))
            e := or(e, shl(4, gt(shr(e, x), 0xffff)))
            e := or(e, shl(3, gt(shr(e, x), 0xff)))
            // slither-disable-next-line divide-before-multiply,incorrect-shift
            y := div(shl(shr(1, e), add(mul(36, x), shl(e, 128))), add(shl(1, x), shl(e, 144)))
            y := shr(1, add(y, div(x, y)))
            y := shr(1, add(y, div(x, y)))
            y := shr(1, add(y, div(x, y)))
            y := shr(1, add(y, div(x, y)))
            y := sub(y, gt(mul(y, y), x))
            y := add(y, lt(mul(y, y), x))
        }
    }
}
