// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title What the 24 bits of an option's series say: from the highest, 1 for a put, 11 of its week, 12 of its strike.
/// @notice Every option expires on a Friday at 08:00 UTC; a strike is a number times the family's step.
library OptionSeries {
    /// @notice Friday, 3 January 2020, 08:00 UTC: the expiry of week 0.
    uint256 internal constant ORIGIN = 1_578_038_400;
    uint256 internal constant WEEK = 7 days;
    uint256 internal constant MAX_WEEK = 2 ** 11 - 1;
    uint256 internal constant MAX_NUMBER = 2 ** 12 - 1;

    /// @notice No series has this expiry or strike.
    error SeriesInvalid(uint256 expiry, uint256 number);

    function isPut(uint24 series) internal pure returns (bool) {
        return series >> 23 == 1;
    }

    /// @notice Unix seconds.
    function expiry(uint24 series) internal pure returns (uint256) {
        return ORIGIN + (series >> 12 & MAX_WEEK) * WEEK;
    }

    /// @notice The strike in steps; 0 is none.
    function number(uint24 series) internal pure returns (uint256) {
        return series & MAX_NUMBER;
    }

    /// @notice The series of an option.
    /// @param expiry_ a Friday at 08:00 UTC
    /// @param number_ of steps to the strike
    function encode(bool put, uint256 expiry_, uint256 number_) internal pure returns (uint24) {
        bool friday = expiry_ >= ORIGIN && (expiry_ - ORIGIN) % WEEK == 0;
        uint256 week = friday ? (expiry_ - ORIGIN) / WEEK : 0;
        if (!friday || week > MAX_WEEK || number_ == 0 || number_ > MAX_NUMBER) {
            revert SeriesInvalid(expiry_, number_);
        }
        return uint24((put ? 1 << 23 : 0) | week << 12 | number_);
    }
}
