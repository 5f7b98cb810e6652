// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Prices in 40 bits: 33 bits of mantissa above 7 bits of exponent, exact to one part in four billion.
/// @dev An order remembers its band, a pool its last index: neither needs more, and both share a word with other things.
library Bands {
    uint256 private constant MANTISSA = 33;

    /// @notice The largest compact price at or below `price` (below 2 ** 160).
    function floor(uint256 price) internal pure returns (uint40) {
        if (price >> MANTISSA == 0) return uint40(price << 7);
        uint256 exponent = Math.log2(price) - (MANTISSA - 1);
        return uint40((price >> exponent) << 7 | exponent);
    }

    /// @notice The smallest compact price at or above `price`.
    function ceil(uint256 price) internal pure returns (uint40 compact) {
        compact = floor(price);
        // A mantissa that is full runs over into the next exponent.
        if (value(compact) < price) compact = floor(value(compact) + (uint256(1) << (compact & 127)));
    }

    function value(uint40 compact) internal pure returns (uint256) {
        return uint256(compact >> 7) << (compact & 127);
    }
}
