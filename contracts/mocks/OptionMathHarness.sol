// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BlackScholes} from "../libraries/BlackScholes.sol";
import {Elementary} from "../libraries/Elementary.sol";
import {NormalDistribution} from "../libraries/NormalDistribution.sol";

/// @title The libraries of options from outside.
contract OptionMathHarness {
    function price(uint256 spot, uint256 strike, uint256 sigma, uint256 time)
        external
        pure
        returns (uint256 call, uint256 put)
    {
        return BlackScholes.price(spot, strike, sigma, time);
    }

    function greeks(uint256 spot, uint256 strike, uint256 sigma, uint256 time)
        external
        pure
        returns (uint256 call, uint256 put, uint256 delta, uint256 gamma, uint256 vega, int256 theta)
    {
        return BlackScholes.greeks(spot, strike, sigma, time);
    }

    function cumulative(int256 x) external pure returns (uint256) {
        return NormalDistribution.cumulative(x);
    }

    function mills(uint256 x) external pure returns (uint256) {
        return NormalDistribution.mills(x);
    }

    function expNegative(uint256 x) external pure returns (uint256) {
        return Elementary.expNegative(x);
    }

    function lnQuotient(uint256 larger, uint256 smaller) external pure returns (uint256) {
        return Elementary.lnQuotient(larger, smaller);
    }

    function sqrtUp(uint256 x) external pure returns (uint256) {
        return Elementary.sqrtUp(x);
    }

    function sqrtYears(uint256 time) external pure returns (uint256) {
        return Elementary.sqrtYears(time);
    }
}
