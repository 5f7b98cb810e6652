// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What a path is built from. Seconds; volatilities 1e18 = 100 %.
/// @param feed whose slow volatility it follows
/// @param interval of the grid of times at which it may turn, 900 to 86,400
/// @param lead before a turn within which nothing can change it: at least a market's delay and time to live, below the interval
/// @param ramp most that it rises or falls in an hour, as a share of what it was at the last turn
/// @param floor that it does not fall below
struct PathSettings {
    address feed;
    uint256 interval;
    uint256 lead;
    uint256 ramp;
    uint256 floor;
}

/// @notice From `start` on the path goes straight from `from` towards `target`; volatilities in millionths.
struct Segment {
    uint256 start;
    uint256 from;
    uint256 target;
}

/// @title Volatility for marks, 1e18 = 100 % a year: a function of time that is final before that time comes.
interface IVolatilityPath {
    /// @notice A parameter of the constructor is out of its range.
    error ParameterInvalid(string name, uint256 value);
    /// @notice The turn at `start` is decided already.
    error TurnDecided(uint256 start);
    /// @notice The turn at `start` was to be decided by `until`.
    error TurnTooNear(uint256 start, uint256 until);
    /// @notice A point of the feed is to be updated or skipped first.
    error FeedDue(uint256 time);
    /// @notice The feed has had no good price since the newest turn, at `turn`: its last one was at `last`.
    error NothingNew(uint256 last, uint256 turn);

    /// @notice From `start` on the path goes from `from` towards `target`, both in millionths.
    event Turned(uint256 start, uint256 from, uint256 target);

    /// @notice Decides the next turn: towards the feed's slow volatility, from the next time of the grid on. Anyone may call it.
    /// @dev Once an interval and a good price of the feed, not in the last `lead` seconds of it; never after the end of the oracle.
    function follow() external;

    /// @notice Volatility at a time. What lies before the three turns that are remembered has the value of the oldest.
    function volatilityAt(uint256 time) external view returns (uint256);

    /// @notice May the next turn be decided now?
    function turnDue() external view returns (bool);

    /// @notice The three turns that are remembered, the newest first.
    function turns() external view returns (Segment[3] memory);

    /// @notice What the path was built from.
    function path() external view returns (PathSettings memory);
}
