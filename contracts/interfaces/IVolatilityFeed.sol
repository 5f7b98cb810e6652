// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What a volatility feed remembers: one word.
/// @param fast annual variance in units of 2 ** -47, below 128
/// @param slow the same, with the longer memory
/// @param price the last good one: 43 bits of mantissa above 7 of exponent; 0 before the first
/// @param gap intervals from the last good point to the next
/// @param next grid time that is wanted, in intervals since 1970
/// @param phase of the oracle's primary, which the next point is proven with
/// @param ramped volatility at the last advance, in millionths
/// @param offset seconds from the grid time before the next to the last advance
struct VolatilityState {
    uint256 fast;
    uint256 slow;
    uint256 price;
    uint256 gap;
    uint256 next;
    uint256 phase;
    uint256 ramped;
    uint256 offset;
}

/// @notice What a volatility feed is built from. Seconds; volatilities and returns 1e18 = 100 %.
/// @param oracle whose proven prices it follows
/// @param interval of the grid, 300 to 86,400: grid times are its multiples
/// @param life of a grid point, after which it can only be skipped; above the oracle's heartbeat, at most two days
/// @param fastTime, slowTime of the exponential weights: what is so old counts 1 / e
/// @param maxReturn largest return of an interval that counts
/// @param ramp most that the ramped volatility rises in an hour, as a share of itself
/// @param floor of the ramped volatility, @param start what all three begin with
struct VolatilitySettings {
    address oracle;
    uint256 interval;
    uint256 life;
    uint256 fastTime;
    uint256 slowTime;
    uint256 maxReturn;
    uint256 ramp;
    uint256 floor;
    uint256 start;
}

/// @title Realised volatility of an index, a year, 1e18 = 100 %.
interface IVolatilityFeed {
    /// @notice A parameter of the constructor is out of its range.
    error ParameterInvalid(string name, uint256 value);
    /// @notice The grid point's time to be proven is over: skip it.
    error PointExpired(uint256 time, uint256 expiry);
    /// @notice The grid point may still be proven.
    error PointNotExpired(uint256 time, uint256 expiry);

    /// @notice The grid point of `time` counts with `index`; 0 where its price was disputed or invalid and nothing counts.
    event Updated(uint256 time, uint256 index);
    /// @notice The feed passes over all grid points from `time` to before `next`.
    event Skipped(uint256 time, uint256 next);

    /// @notice Takes the oracle's first price after the next grid time. Anyone may call it.
    /// @dev Reverts where the oracle refuses the proof, and where the point has expired.
    /// @param proof as the oracle's `firstAfter` takes it, for the phase and time of `due`
    function update(bytes calldata proof) external;

    /// @notice Gives up a grid point that nobody proved in its life, and all up to now: the next one lies ahead. Anyone may call it.
    function skip() external;

    /// @notice What a keeper asks of the next point of the grid.
    /// @return isDue is it to be proven?
    /// @return expired is it to be skipped?
    /// @return time of the grid point
    /// @return phase that its price is proven with
    function due() external view returns (bool isDue, bool expired, uint256 time, uint16 phase);

    /// @notice Of the exponentially weighted squares of returns, with the shorter memory; rounded up.
    function fast() external view returns (uint256);

    /// @notice The same with the longer memory.
    function slow() external view returns (uint256);

    /// @notice Follows the larger of both, at most by the ramp.
    function ramped() external view returns (uint256);

    /// @notice The largest of the three.
    function highest() external view returns (uint256);

    /// @notice Both volatilities, the last good price (rounded to 43 bits; 0 before the first) and the time of its grid point.
    function observed() external view returns (uint256 fast, uint256 slow, uint256 price, uint256 time);

    /// @notice Everything that is remembered.
    function state() external view returns (VolatilityState memory);
}
