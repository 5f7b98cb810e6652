// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IOracle} from "../interfaces/IOracle.sol";
import {IVolatilityFeed} from "../interfaces/IVolatilityFeed.sol";
import {IVolatilityPath, PathSettings, Segment} from "../interfaces/IVolatilityPath.sol";
import {VolatilityFeed} from "./VolatilityFeed.sol";

/// @title A ramped volatility that is known ahead of its time.
/// @notice Piecewise linear in time. It turns at times of a grid only, and each turn is decided at least LEAD seconds ahead, once:
/// whatever is done between the commit of an order and its price, the mark at that price is the same.
/// @dev Three turns are kept, so that every time within an interval back has the value it always had; and each needs a good price of
/// the feed from the turn before on, so that an outage, however long, does not change what the path was when it began.
abstract contract VolatilityPath is IVolatilityPath {
    uint256 internal constant ONE = 1e18;
    /// @dev Of a volatility, as it is stored.
    uint256 private constant UNIT = 1e12;
    /// @dev A turn's bits, from the lowest: start 32, from 24, target 24.
    uint256 private constant BITS = 80;

    IVolatilityFeed internal immutable FEED;
    IOracle internal immutable ORACLE;
    uint256 private immutable INTERVAL;
    uint256 private immutable LEAD;
    uint256 private immutable RAMP;
    uint256 private immutable FLOOR;

    uint256 private _turns;

    constructor(PathSettings memory s) {
        if (s.interval < 900 || s.interval > 1 days) revert ParameterInvalid("interval", s.interval);
        if (s.lead == 0 || s.lead >= s.interval) revert ParameterInvalid("lead", s.lead);
        if (s.ramp == 0 || s.ramp > ONE) revert ParameterInvalid("ramp", s.ramp);
        if (s.floor == 0 || s.floor > 10 * ONE) revert ParameterInvalid("floor", s.floor);
        (FEED, ORACLE) = (IVolatilityFeed(s.feed), VolatilityFeed(s.feed).ORACLE());
        (INTERVAL, LEAD, RAMP, FLOOR) = (s.interval, s.lead, s.ramp, s.floor);
        uint256 first = Math.ceilDiv(Math.max(FEED.slow(), s.floor), UNIT);
        for (uint256 i; i < 3; ++i) {
            _turn(Segment(block.timestamp, first, first));
        }
    }

    /// @inheritdoc IVolatilityPath
    function follow() external {
        // slither-disable-next-line unused-return
        (bool ended,,) = ORACLE.finalPrice();
        if (ended) revert IOracle.OracleEnded();
        uint256 start = _next();
        if (uint32(_turns) >= start) revert TurnDecided(start);
        if (block.timestamp > start - LEAD) revert TurnTooNear(start, start - LEAD);
        // slither-disable-next-line unused-return
        (bool due, bool expired, uint256 time,) = FEED.due();
        if (due || expired) revert FeedDue(time);
        // slither-disable-next-line unused-return
        (,,, uint256 last) = FEED.observed();
        if (last < uint32(_turns)) revert NothingNew(last, uint32(_turns));
        uint256 target = Math.ceilDiv(Math.max(FEED.slow(), FLOOR), UNIT);
        _turn(Segment(start, volatilityAt(start) / UNIT, target));
    }

    /// @inheritdoc IVolatilityPath
    function volatilityAt(uint256 time) public view returns (uint256) {
        uint256 word = _turns;
        for (uint256 i; i < 2 && time < uint32(word); ++i) {
            word >>= BITS;
        }
        unchecked {
            uint256 from = uint256(uint24(word >> 32)) * UNIT;
            uint256 target = uint256(uint24(word >> 56)) * UNIT;
            // Rounded down, so that it never moves faster than it may.
            uint256 moved = from * RAMP * Math.saturatingSub(time, uint32(word)) / (ONE * 1 hours);
            return target > from ? Math.min(target, from + moved) : Math.max(target, Math.saturatingSub(from, moved));
        }
    }

    /// @inheritdoc IVolatilityPath
    function turnDue() external view returns (bool) {
        // slither-disable-next-line unused-return
        (bool ended,,) = ORACLE.finalPrice();
        // slither-disable-next-line unused-return
        (bool due, bool expired,,) = FEED.due();
        // slither-disable-next-line unused-return
        (,,, uint256 last) = FEED.observed();
        // A turn that is decided lies ahead of every price.
        return !ended && !due && !expired && uint32(_turns) <= last && block.timestamp <= _next() - LEAD;
    }

    /// @inheritdoc IVolatilityPath
    function path() external view returns (PathSettings memory) {
        return PathSettings(address(FEED), INTERVAL, LEAD, RAMP, FLOOR);
    }

    /// @inheritdoc IVolatilityPath
    function turns() external view returns (Segment[3] memory all) {
        for (uint256 i; i < 3; ++i) {
            uint256 word = _turns >> BITS * i;
            all[i] = Segment(uint32(word), uint24(word >> 32), uint24(word >> 56));
        }
    }

    function _next() private view returns (uint256) {
        return (block.timestamp / INTERVAL + 1) * INTERVAL;
    }

    function _turn(Segment memory s) private {
        _turns = _turns << BITS | s.start | s.from << 32 | s.target << 56;
        emit Turned(s.start, s.from, s.target);
    }
}
