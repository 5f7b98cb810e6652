// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IInstrument} from "./IInstrument.sol";
import {IVolatilityPath} from "./IVolatilityPath.sol";

/// @notice What a family of options is built from. Rates 1e18 = 100 %, times seconds.
/// @param fixing its settlement prices, on the oracle of its volatility feed
/// @param strikeStep strikes are multiples of it, 18 decimals, at most 1e27
/// @param callCap a call's largest value, as a share of its strike
/// @param longestTenor from the trade to the expiry
/// @param smallestDelta of the option out of the money, for a series in which nothing is open
/// @param spread the pool sells at the larger volatility x (1 + spread), buys at the smaller x (1 - spread); at least 10 %
/// @param slope what the spread grows by at full utilisation
/// @param reach standard deviations of two intervals of the feed within which the fill never falls below its formula
/// @param holding what a buyer pays a year for the reserve, as a share of the cap
/// @param seriesShare of the pool that the caps of a series' longs may bind; a buyer pays the cap's share for what is above
/// @param decimals of the token that the pool counts in
struct OptionTerms {
    address fixing;
    uint256 strikeStep;
    uint256 callCap;
    uint256 longestTenor;
    uint256 smallestDelta;
    uint256 spread;
    uint256 slope;
    uint256 reach;
    uint256 holding;
    uint256 seriesShare;
    uint256 decimals;
}

/// @notice What one series is.
/// @param put or call, @param expiry unix seconds, @param strike 18 decimals, @param cap largest value, 18 decimals
struct Option {
    bool put;
    uint256 expiry;
    uint256 strike;
    uint256 cap;
}

/// @notice Value and Greeks of one unit, 18 decimals; signs are those of a long.
/// @param mark the value for risk, @param delta for a change of the index by 1, @param gamma change of delta for the same
/// @param vega for a change of volatility by 100 %, @param theta a year at today's pace
struct OptionGreeks {
    uint256 mark;
    int256 delta;
    int256 gamma;
    int256 vega;
    int256 theta;
}

/// @title European options on an index, cash-settled: calls are capped (a call spread), puts end at zero.
/// @notice The volatility of its marks is a path of its own; the feed behind it makes the fills.
interface IEuropeanOptions is IInstrument, IVolatilityPath {
    /// @notice The oracle may be silent for longer than options allow.
    error FeedTooSlow(uint256 heartbeat, uint256 limit);
    /// @notice Volatility and settlement prices would follow two oracles.
    error OraclesDiffer(address volatility, address fixing);
    /// @notice A series in which nothing is open is taken up near the money only: delta of its call, and the band.
    error StrikeOutOfBand(uint256 delta, uint256 lowest, uint256 highest);
    /// @notice The volatility feed has had no good price since `last`: bring it up to date first.
    error VolatilityBehind(uint256 last, uint256 time);
    /// @notice Between the beginning of its settlement window and its fixing a series has no mark.
    error InSettlement(uint24 series, uint256 expiry);

    /// @notice What a series is.
    function optionOf(uint24 series) external view returns (Option memory);

    /// @notice The series of an option. Reverts where there is none.
    /// @param strike a multiple of the step
    function seriesFor(bool put, uint256 expiry, uint256 strike) external view returns (uint24);

    /// @notice Value and Greeks at an index and a time before the settlement window, at the mark's volatility.
    function greeks(uint24 series, uint256 index, uint256 time) external view returns (OptionGreeks memory);

    /// @notice Volatilities of fills now: what the pool buys at, the mark's, what it sells at.
    /// @param used share of the pool that is bound
    function volatilities(uint256 used) external view returns (uint256 bid, uint256 mark, uint256 ask);

    /// @notice The interval of the index for which fills are made now. Reverts while the volatility feed is behind.
    function range() external view returns (uint256 low, uint256 high);

    /// @notice What the family was built from.
    function terms() external view returns (OptionTerms memory);
}
