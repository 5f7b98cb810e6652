// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDepthFeed} from "../interfaces/IDepthFeed.sol";
import {Exponential} from "../libraries/Exponential.sol";
import {Logarithm} from "../libraries/Logarithm.sol";

/// @title The functions of Logarithm and Exponential from outside.
contract VolatilityHarness {
    function ln(uint256 a, uint256 b) external pure returns (int256) {
        return Logarithm.ln(a, b);
    }

    function decay(uint256 x) external pure returns (uint256) {
        return Exponential.decay(x);
    }

    function power(uint256 base, uint256 exponent) external pure returns (uint256) {
        return Exponential.power(base, exponent);
    }
}

/// @title Volatility and depth that are what one says. Test double.
contract MarginFeedMock is IDepthFeed {
    uint256 public highest;
    uint256 public ramped;
    uint256 public depth;

    function set(uint256 highest_, uint256 ramped_, uint256 depth_) external {
        (highest, ramped, depth) = (highest_, ramped_, depth_);
    }
}
