// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Exponential decay: numbers from 0 to 1 with 27 decimals.
// Series in fixed point divide to multiply again; the error is stated.
// slither-disable-start divide-before-multiply
library Exponential {
    uint256 internal constant ONE = 1e27;
    uint256 private constant LN_2 = 693147180559945309417232121;

    /// @notice e ** -x, off by less than 1e-25; 0 from x = 63 on.
    /// @dev x = n ln 2 + y, 0 <= y < ln 2; e ** -y = 1 - y + y ** 2 / 2! - ..., at most 27 terms.
    function decay(uint256 x) internal pure returns (uint256) {
        unchecked {
            uint256 n = x / LN_2;
            uint256 y = x - n * LN_2;
            uint256 sum;
            uint256 term = ONE;
            for (uint256 i = 1; term != 0; ++i) {
                sum = i % 2 == 1 ? sum + term : sum - term;
                term = term * y / (ONE * i);
            }
            return sum >> n;
        }
    }

    /// @notice base ** exponent for base <= 1, rounded down: less by at most 2 x exponent x 1e-27.
    function power(uint256 base, uint256 exponent) internal pure returns (uint256 result) {
        unchecked {
            result = ONE;
            while (exponent != 0) {
                if (exponent & 1 == 1) result = result * base / ONE;
                base = base * base / ONE;
                exponent >>= 1;
            }
        }
    }
}
// slither-disable-end divide-before-multiply
