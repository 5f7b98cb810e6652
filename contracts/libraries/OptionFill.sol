// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {BlackScholes} from "./BlackScholes.sol";
import {Elementary} from "./Elementary.sol";
import {PositionMath} from "./PositionMath.sol";

/// @title What an option costs more at one volatility than at another, as a share of the index.
library OptionFill {
    uint256 private constant ONE = 1e18;
    uint256 private constant YEAR = 365 days;

    /// @notice The largest (C(S, above) - C(S, below)) / S for S within [low, high], 1e18 = 100 %, rounded up.
    /// @dev C(S) / S has the slope K N(d2) / S in ln(S), so that the difference rises while d2(above) > d2(below), that is up to
    /// S = K e ** (-above x below x T / 2), and falls from there on. By parity it is the difference of the puts as well.
    /// Exact up to the error of a price, 1e-15. Volatilities are below 2 ** 65, `time` is below a year.
    function largestDifferenceUp(uint256 strike, uint256 low, uint256 high, uint256 below, uint256 above, uint256 time)
        internal
        pure
        returns (uint256)
    {
        if (above <= below || time == 0) return 0;
        unchecked {
            uint256 exponent = (above * below * time << 96) / (2 * YEAR * ONE * ONE);
            uint256 peak = strike * Elementary.expNegative(exponent) >> 96;
            uint256 spot = Math.min(Math.max(peak, low), high);
            // slither-disable-start unused-return
            (uint256 dear,) = BlackScholes.price(spot, strike, above, time);
            (uint256 cheap,) = BlackScholes.price(spot, strike, below, time);
            // slither-disable-end unused-return
            return PositionMath.mulUp(Math.saturatingSub(dear, cheap), ONE, spot);
        }
    }
}
