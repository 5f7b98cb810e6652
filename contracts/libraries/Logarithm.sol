// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title The natural logarithm of a ratio, 27 decimals.
// Series in fixed point divide to multiply again; the error is stated.
// slither-disable-start divide-before-multiply
library Logarithm {
    uint256 private constant ONE = 1e27;
    /// @dev ln 2, off by less than 5e-28.
    uint256 private constant LN_2 = 693147180559945309417232121;

    /// @notice ln(a / b) for 0 < a, b < 2 ** 128, off by less than 2e-25.
    /// @dev ln(x) = n ln 2 + 2 atanh((y - 1) / (y + 1)), x = y 2 ** n, 1 <= y < 2; atanh(z) = z + z ** 3 / 3 + z ** 5 / 5 + ...
    /// With z below 1 / 3 there are at most 29 terms; a price that moved by a percent needs seven.
    function ln(uint256 a, uint256 b) internal pure returns (int256) {
        unchecked {
            bool negative = a < b;
            if (negative) (a, b) = (b, a);
            uint256 n = Math.log2(a / b);
            b <<= n;
            uint256 term = (a - b) * ONE / (a + b);
            uint256 square = term * term / ONE;
            uint256 sum;
            for (uint256 i = 1; term != 0; i += 2) {
                sum += term / i;
                term = term * square / ONE;
            }
            sum = n * LN_2 + 2 * sum;
            return negative ? -int256(sum) : int256(sum);
        }
    }
}
// slither-disable-end divide-before-multiply
