// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The price that a tick stands for, 1.0001 ** tick (Uniswap v3 Core, whitepaper, section 6.1), in integers.
/// @dev Square and multiply on a mantissa of 128 bits, which is truncated twice a bit of the tick. Truncations at bit i are
/// raised to the power 2 ** i by the squares that follow; all together stay below 2 ** -105 of the price.
library TickPrice {
    /// @notice Largest absolute tick of a pool: 1.0001 ** MAX_TICK < 2 ** 128.
    int256 internal constant MAX_TICK = 887_272;

    /// @dev 1.0001 x 2 ** 127, to the nearest.
    uint256 private constant BASE = 0x800346dc5d63886594af4f0d844d013b;

    /// @notice 1.0001 ** tick x scale, rounded down; off by less than one and 2 ** -105 of it. Never reverts within these bounds.
    /// @param tick at most MAX_TICK, at least -MAX_TICK
    /// @param scale at most 2 ** 127
    function at(int256 tick, uint256 scale) internal pure returns (uint256) {
        unchecked {
            uint256 n = uint256(tick < 0 ? -tick : tick);
            // 1.0001 ** (the bits of n seen so far) = mantissa x 2 ** (exponent - 127), the mantissa in [2 ** 127, 2 ** 128).
            uint256 mantissa = 1 << 127;
            uint256 exponent;
            uint256 bit = 1 << 19;
            do {
                (mantissa, exponent) = _normalised(mantissa * mantissa, 2 * exponent);
                if (n & bit != 0) (mantissa, exponent) = _normalised(mantissa * BASE, exponent);
                bit >>= 1;
            } while (bit != 0);
            return tick < 0 ? ((scale << 128) / mantissa) >> (exponent + 1) : (mantissa * scale) >> (127 - exponent);
        }
    }

    /// @dev A product of two mantissas, in [2 ** 254, 2 ** 256), as a mantissa again.
    function _normalised(uint256 product, uint256 exponent) private pure returns (uint256, uint256) {
        unchecked {
            uint256 carry = product >> 255;
            return (product >> (127 + carry), exponent + carry);
        }
    }
}
