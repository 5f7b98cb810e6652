// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IDepthFeed} from "../interfaces/IDepthFeed.sol";
import {IMarginModel} from "../interfaces/IMarginModel.sol";
import {Snapshot} from "../interfaces/IInstrument.sol";
import {IVolatilityFeed} from "../interfaces/IVolatilityFeed.sol";
import {PositionMath} from "../libraries/PositionMath.sol";

/// @notice A rate of notional: z x volatility over the horizon, within [floor, cap]. All 1e18 = 1.
/// @param z standard deviations of the index over the horizon that the rate covers
struct VolatilityRate {
    uint256 z;
    uint256 floor;
    uint256 cap;
}

/// @param volatility an IVolatilityFeed, @param depth an IDepthFeed; zero where there is none
/// @param horizon seconds within which a position is closed
/// @param impact what the initial requirement rises by for a notional as large as the depth, where nothing is open, 1e18 = 100 %
/// @param openInterest what the rate rises by for an open interest as large as the depth, or as the pool's capital where there is no
/// depth
/// @param decimals of the token that the pool counts in
struct VolatilityMarginTerms {
    address volatility;
    address depth;
    uint256 horizon;
    VolatilityRate initial;
    VolatilityRate target;
    VolatilityRate maintenance;
    uint256 impact;
    uint256 openInterest;
    uint256 decimals;
}

/// @title Rates of notional that follow the market: with volatility, and to open also with size and open interest.
/// @notice maintenance, target: clamp(z x ramped volatility x sqrt(horizon), floor, cap) x notional.
/// initial: the larger of floor x notional and the integral over the notional of min(cap, z x highest volatility x sqrt(horizon) +
/// (openInterest x open interest + 2 x impact x side) / depth), where open interest and side, what is open in the trade's direction,
/// grow with the trade: so it is convex, never above cap x notional, and slices cost what the whole costs, each executed before the
/// next is committed. A model is not shown what is pending: legs of an order, and orders committed before, do not count.
/// A position that margin is taken out of is part of what is open, and counts as one more on top. Requirements are rounded up.
contract VolatilityMargin is IMarginModel {
    uint256 private constant ONE = 1e18;
    /// @dev By so much at least target and maintenance differ, so that no rounding makes them equal.
    uint256 private constant STEP = 1e14;

    IVolatilityFeed public immutable VOLATILITY;
    IDepthFeed public immutable DEPTH;
    /// @notice sqrt(horizon / year), 18 decimals, rounded up.
    uint256 public immutable ROOT_HORIZON;
    uint256 public immutable IMPACT;
    uint256 public immutable OPEN_INTEREST;
    uint256 public immutable INITIAL_Z;
    uint256 public immutable INITIAL_FLOOR;
    uint256 public immutable INITIAL_CAP;
    uint256 public immutable TARGET_Z;
    uint256 public immutable TARGET_FLOOR;
    uint256 public immutable TARGET_CAP;
    uint256 public immutable MAINTENANCE_Z;
    uint256 public immutable MAINTENANCE_FLOOR;
    uint256 public immutable MAINTENANCE_CAP;
    /// @dev What the initial rate rises by over a notional as large as what it is held against.
    uint256 private immutable SLOPE;
    /// @dev From token units to 18 decimals.
    uint256 private immutable SCALE;

    /// @notice Not 0 < maintenance < target <= initial <= 100 %, or target less than a basis point above maintenance.
    error RatesInvalid(uint256 initial, uint256 target, uint256 maintenance);
    /// @notice The same of z, where initial is at most 100.
    error MultiplesInvalid(uint256 initial, uint256 target, uint256 maintenance);
    /// @notice A parameter of the constructor is out of its range.
    error ParameterInvalid(string name, uint256 value);

    constructor(VolatilityMarginTerms memory t) {
        (VolatilityRate memory i, VolatilityRate memory g, VolatilityRate memory m) =
            (t.initial, t.target, t.maintenance);
        if (!_ordered(i.z, g.z, m.z, 100 * ONE)) revert MultiplesInvalid(i.z, g.z, m.z);
        if (!_ordered(i.floor, g.floor, m.floor, ONE)) revert RatesInvalid(i.floor, g.floor, m.floor);
        if (!_ordered(i.cap, g.cap, m.cap, ONE)) revert RatesInvalid(i.cap, g.cap, m.cap);
        if (i.floor > i.cap) revert ParameterInvalid("initial.floor", i.floor);
        if (g.floor > g.cap) revert ParameterInvalid("target.floor", g.floor);
        if (m.floor > m.cap) revert ParameterInvalid("maintenance.floor", m.floor);
        if (t.horizon == 0 || t.horizon > 365 days) revert ParameterInvalid("horizon", t.horizon);
        if (t.impact > 100 * ONE || (t.impact != 0 && t.depth == address(0))) {
            revert ParameterInvalid("impact", t.impact);
        }
        if (t.openInterest > 100 * ONE) revert ParameterInvalid("openInterest", t.openInterest);
        if (t.decimals > 18) revert ParameterInvalid("decimals", t.decimals);
        (VOLATILITY, DEPTH) = (IVolatilityFeed(t.volatility), IDepthFeed(t.depth));
        ROOT_HORIZON = Math.sqrt(Math.ceilDiv(t.horizon * ONE ** 2, 365 days), Math.Rounding.Ceil);
        (IMPACT, OPEN_INTEREST, SCALE) = (t.impact, t.openInterest, 10 ** (18 - t.decimals));
        SLOPE = t.openInterest + 2 * t.impact;
        (INITIAL_Z, INITIAL_FLOOR, INITIAL_CAP) = (i.z, i.floor, i.cap);
        (TARGET_Z, TARGET_FLOOR, TARGET_CAP) = (g.z, g.floor, g.cap);
        (MAINTENANCE_Z, MAINTENANCE_FLOOR, MAINTENANCE_CAP) = (m.z, m.floor, m.cap);
        _overHorizon(VOLATILITY.highest()); // the feed is there
    }

    /// @inheritdoc IMarginModel
    function initial(Snapshot calldata state, uint256, int256 size) external view returns (uint256) {
        uint256 notional = _notional(state.index, size);
        uint256 against = _against(state);
        uint256 rate = PositionMath.mulUp(_overHorizon(VOLATILITY.highest()), INITIAL_Z, ONE);
        rate = Math.min(rate + _crowdingUp(state, size > 0 ? state.long : state.short, against), INITIAL_CAP);
        uint256 required = PositionMath.mulUp(notional, rate, ONE) + _ownUp(notional, INITIAL_CAP - rate, against);
        return Math.max(required, PositionMath.mulUp(notional, INITIAL_FLOOR, ONE));
    }

    /// @inheritdoc IMarginModel
    function looksAtMarket() external view returns (bool) {
        return SLOPE != 0;
    }

    /// @inheritdoc IMarginModel
    function maintenance(uint24, uint256 index, uint256, int256 size) external view returns (uint256, uint256) {
        uint256 notional = _notional(index, size);
        uint256 deviation = _overHorizon(VOLATILITY.ramped());
        uint256 rate = _clamped(deviation, MAINTENANCE_Z, MAINTENANCE_FLOOR, MAINTENANCE_CAP);
        uint256 target = _clamped(deviation, TARGET_Z, TARGET_FLOOR, TARGET_CAP);
        return (PositionMath.mulUp(notional, rate, ONE), PositionMath.mulUp(notional, target, ONE));
    }

    /// @dev What there is to trade against: the depth, at most 2 ** 128, so that products fit, or the pool's capital.
    function _against(Snapshot calldata state) private view returns (uint256) {
        if (address(DEPTH) == address(0)) return (state.reserved + state.idle) * SCALE;
        return Math.min(DEPTH.depth(), type(uint128).max);
    }

    /// @dev What the rate has risen by before this trade. Where nothing is known to trade against, the whole cap.
    function _crowdingUp(Snapshot calldata state, uint256 side, uint256 against) private view returns (uint256) {
        if (SLOPE == 0) return 0;
        if (against == 0) return INITIAL_CAP;
        uint256 weighted = (state.long + state.short) * OPEN_INTEREST + side * 2 * IMPACT;
        return PositionMath.mulUp(weighted, state.index, against * ONE);
    }

    /// @dev What it rises by with the trade itself: the integral from 0 to notional of min(room, SLOPE x x / against).
    function _ownUp(uint256 notional, uint256 room, uint256 against) private view returns (uint256) {
        if (SLOPE == 0) return 0;
        uint256 reach = room * against / SLOPE; // notional from which each unit more pays the cap
        if (notional < reach) return Math.mulDiv(SLOPE * notional, notional, 2 * against * ONE, Math.Rounding.Ceil);
        return PositionMath.mulUp(room, 2 * notional - reach, 2 * ONE);
    }

    /// @dev One standard deviation of the index over the horizon.
    function _overHorizon(uint256 volatility) private view returns (uint256) {
        return PositionMath.mulUp(volatility, ROOT_HORIZON, ONE);
    }

    function _clamped(uint256 deviation, uint256 z, uint256 floor, uint256 cap) private pure returns (uint256) {
        return Math.min(Math.max(PositionMath.mulUp(deviation, z, ONE), floor), cap);
    }

    function _notional(uint256 index, int256 size) private pure returns (uint256) {
        return PositionMath.mulUp(PositionMath.abs(size), index, ONE);
    }

    function _ordered(uint256 initial_, uint256 target, uint256 maintenance_, uint256 most)
        private
        pure
        returns (bool)
    {
        return maintenance_ >= STEP && target >= maintenance_ + STEP && initial_ >= target && initial_ <= most;
    }
}
