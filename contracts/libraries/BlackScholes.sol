// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Elementary} from "./Elementary.sol";
import {NormalDistribution} from "./NormalDistribution.sol";

/// @title Value and Greeks of European options on an underlying without carry (Black and Scholes, 1973, at rate 0).
/// @dev Prices, volatility and results have 18 decimals, sigma is that of a year, time is in seconds of a year of 365 days.
/// Every function answers for every input. Prices are taken as 2 ** 128 - 1 if they are above it (3.4e20), sigma as
/// 2 ** 80 - 1 (1.2e6 = 120,000,000 %), time as 2 ** 30 - 1 (34 years). Where sigma or time is 0, or spot and strike are more
/// than 64 standard deviations apart, the value is what the option would pay at once. Errors: docs/options.md.
///
/// How. With v = sigma sqrt(T), m = ln(larger / smaller) / v of spot and strike, a = m - v / 2 and b = m + v / 2, the option
/// that is out of the money (the put above the strike, the call below) is worth smaller x N(-a) - larger x N(-b). As
/// larger x density(b) = smaller x density(a), one exponential is enough for both: larger x N(-b) =
/// smaller x e ** (-a ** 2 / 2) x mills(b). The other option follows from parity, to the unit.
library BlackScholes {
    uint256 private constant ONE = 1e18;
    uint256 private constant ONE_SQUARED = 1e36;
    uint256 private constant HALF_YEAR = 365 days / 2;
    // Binary fractions have 96 digits: 2 ** 96 = 1.
    uint256 private constant ONE_X96 = 1 << 96;
    /// @dev 1 / sqrt(2 pi): the density at x is this times e ** (-x ** 2 / 2).
    uint256 private constant DENSITY_AT_0 = 31607463825455920808620519744;

    /// @notice The value of a call and of a put: what is out of the money rounded down, call + strike = put + spot exactly,
    /// both at least what the option would pay at once, the call at most the spot, the put at most the strike.
    function price(uint256 spot, uint256 strike, uint256 sigma, uint256 time)
        internal
        pure
        returns (uint256 call, uint256 put)
    {
        if (_large(spot, strike, sigma, time)) (spot, strike, sigma, time) = _saturated(spot, strike, sigma, time);
        (uint256 near, uint256 far,,,) = _tails(spot, strike, sigma, time);
        return _prices(spot, strike, near, far);
    }

    /// @notice The same with the Greeks. Those of call and put are equal, but for delta.
    /// @return call as in `price`
    /// @return put as in `price`
    /// @return delta of the call, within 0 and 1e18; the put's is less by 1e18. Without time or sigma 0 at the strike.
    /// @return gamma change of delta, 1e18 = 1, for a change of the spot by 1e18
    /// @return vega change of the value for a change of sigma by 1e18
    /// @return theta change of the value in a year at today's pace, never above 0
    function greeks(uint256 spot, uint256 strike, uint256 sigma, uint256 time)
        internal
        pure
        returns (uint256 call, uint256 put, uint256 delta, uint256 gamma, uint256 vega, int256 theta)
    {
        if (_large(spot, strike, sigma, time)) (spot, strike, sigma, time) = _saturated(spot, strike, sigma, time);
        (uint256 near, uint256 far, uint256 scale, uint256 v, uint256 root) = _tails(spot, strike, sigma, time);
        (call, put) = _prices(spot, strike, near, far);
        // With d = (ln(spot / strike) + v ** 2 / 2) / v, delta is N(d). Below the strike d = -a, above it d = b.
        // Nothing divides by 0 with a panic: where v, spot or time is 0, so is what is divided.
        assembly ("memory-safe") {
            let density := shr(96, mul(scale, DENSITY_AT_0))
            delta := near
            if gt(spot, strike) {
                delta := sub(ONE_X96, div(mul(far, strike), spot))
                density := div(mul(density, strike), spot)
            }
            delta := shr(96, mul(delta, ONE))
            gamma := div(div(mul(density, ONE_SQUARED), v), spot)
            density := shr(96, mul(density, spot)) // a price from here on, below 2 ** 127
            vega := shr(96, mul(density, root))
            theta := sub(0, div(mul(shr(96, mul(density, v)), HALF_YEAR), time))
        }
    }

    /// @dev smaller x (near - far), and what the other option would pay at once on top. far is never above near: both are 0,
    /// or b - a = v is at least 2 ** 23 units (sigma 1, a second), over which mills falls by 2 ** 14 units at least where
    /// scale is not 0 (a < 12). Its roundings add up to less than 2 ** 4.
    function _prices(uint256 spot, uint256 strike, uint256 near, uint256 far)
        private
        pure
        returns (uint256 call, uint256 put)
    {
        unchecked {
            uint256 gain = Math.saturatingSub(spot, strike);
            call = ((spot - gain) * (near - far) >> 96) + gain;
            put = call + strike - spot;
        }
    }

    /// @dev Binary fractions.
    /// @return near N(-a)
    /// @return far larger / smaller x N(-b)
    /// @return scale e ** (-a ** 2 / 2)
    /// @return v below 2 ** 119
    /// @return root of the time in years, below 2 ** 99
    function _tails(uint256 spot, uint256 strike, uint256 sigma, uint256 time)
        private
        pure
        returns (uint256 near, uint256 far, uint256 scale, uint256 v, uint256 root)
    {
        root = Elementary.sqrtYears(time);
        uint256 larger;
        uint256 smaller;
        assembly ("memory-safe") {
            let swap := mul(xor(spot, strike), gt(spot, strike))
            smaller := xor(spot, swap)
            larger := xor(strike, swap)
            v := div(mul(sigma, root), ONE)
        }
        uint256 x = Elementary.lnQuotient(larger, smaller);
        uint256 a;
        uint256 b;
        uint256 live;
        uint256 minus;
        assembly ("memory-safe") {
            live := lt(x, shl(6, v))
            let m := div(shl(96, x), v)
            let half := shr(1, v)
            b := add(m, half)
            a := sub(m, half)
            minus := sar(255, a)
            scale := shr(97, mul(a, a))
            a := sub(xor(a, minus), minus)
        }
        scale = Elementary.expNegative(scale);
        near = NormalDistribution.mills(a);
        far = NormalDistribution.mills(b);
        assembly ("memory-safe") {
            scale := mul(scale, live)
            far := shr(96, mul(scale, far))
            near := shr(96, mul(scale, near))
            near := add(xor(near, minus), and(minus, add(ONE_X96, 1)))
        }
    }

    function _large(uint256 spot, uint256 strike, uint256 sigma, uint256 time) private pure returns (bool) {
        return ((spot | strike) >> 128) | (sigma >> 80) | (time >> 30) != 0;
    }

    function _saturated(uint256 spot, uint256 strike, uint256 sigma, uint256 time)
        private
        pure
        returns (uint256, uint256, uint256, uint256)
    {
        return (
            Math.min(spot, type(uint128).max),
            Math.min(strike, type(uint128).max),
            Math.min(sigma, type(uint80).max),
            Math.min(time, 2 ** 30 - 1)
        );
    }
}
