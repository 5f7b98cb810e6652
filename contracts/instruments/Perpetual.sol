// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IInstrument, Snapshot} from "../interfaces/IInstrument.sol";
import {PositionMath} from "../libraries/PositionMath.sol";

/// @title The perpetual: one series, its mark is the index.
/// @notice Fills pay for skew, balance is funding's job, reserves are rented. Rates are 1e18 = 100 %.
contract Perpetual is IInstrument {
    uint256 private constant ONE = 1e18;
    uint256 private constant YEAR = 365 days;

    /// @notice Open interest imbalance, 18 decimals of size, at which premium and funding are at their largest.
    uint256 public immutable SKEW_SCALE;
    /// @notice Funding at full skew, a year.
    uint256 public immutable MAX_FUNDING;
    /// @notice Borrowing a year at no, at kink and at full utilisation.
    uint256 public immutable BORROW_BASE;
    uint256 public immutable BORROW_KINK;
    uint256 public immutable BORROW_FULL;
    uint256 public immutable KINK;
    /// @notice The borrow rate rises at most by so much (a yearly rate) an hour.
    uint256 public immutable BORROW_RAMP;

    error ParameterInvalid(string name, uint256 value);

    struct Parameters {
        uint256 skewScale;
        uint256 maxFunding;
        uint256 borrowBase;
        uint256 borrowKink;
        uint256 borrowFull;
        uint256 kink;
        uint256 borrowRamp;
    }

    constructor(Parameters memory p) {
        // Above, a premium could overflow, and a position that has one to pay could never leave.
        if (p.skewScale == 0 || p.skewScale > type(uint128).max) revert ParameterInvalid("skewScale", p.skewScale);
        if (p.kink == 0 || p.kink >= ONE) revert ParameterInvalid("kink", p.kink);
        if (p.borrowKink < p.borrowBase) revert ParameterInvalid("borrowKink", p.borrowKink);
        if (p.borrowFull < p.borrowKink || p.borrowFull > 10 * ONE) {
            revert ParameterInvalid("borrowFull", p.borrowFull);
        }
        if (p.maxFunding > 10 * ONE) revert ParameterInvalid("maxFunding", p.maxFunding);
        SKEW_SCALE = p.skewScale;
        MAX_FUNDING = p.maxFunding;
        (BORROW_BASE, BORROW_KINK, BORROW_FULL) = (p.borrowBase, p.borrowKink, p.borrowFull);
        (KINK, BORROW_RAMP) = (p.kink, p.borrowRamp);
    }

    /// @inheritdoc IInstrument
    function isOpen(uint24 series, uint256) external pure returns (bool) {
        return series == 0;
    }

    /// @inheritdoc IInstrument
    function mark(uint24, uint256 index, uint256) external pure returns (uint256) {
        return index;
    }

    /// @inheritdoc IInstrument
    function cap(uint24) external pure returns (uint256) {
        return type(uint256).max;
    }

    /// @inheritdoc IInstrument
    function hasCarry() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IInstrument
    function isLinear() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IInstrument
    function finalMark(uint24) external pure returns (bool, uint256, uint256) {
        return (false, 0, 0);
    }

    /// @inheritdoc IInstrument
    /// @dev (abs skew before + after) / (2 x skewScale) on the part that increases abs skew: the integral of a linear
    /// price impact, so that slices cost what the whole costs. Nothing for the part that reduces it.
    function premium(Snapshot calldata state, int256 size) external view returns (uint256) {
        int256 before = int256(state.long) - int256(state.short);
        int256 afterwards = before + size;
        uint256 from = PositionMath.abs(before);
        uint256 to = PositionMath.abs(afterwards);
        bool crosses = (before > 0 && afterwards < 0) || (before < 0 && afterwards > 0);
        if (crosses) from = 0;
        if (to <= from) return 0;
        // rate x abs(size) = (to - from) x (to + from) / (2 x skewScale)
        return Math.mulDiv((to - from) * (to + from), ONE, 2 * SKEW_SCALE * PositionMath.abs(size), Math.Rounding.Ceil);
    }

    /// @inheritdoc IInstrument
    /// @dev The heavy side pays maxFunding x clamp(skew / skewScale); the light side receives as much per unit.
    function carry(Snapshot calldata state, uint256 borrowRate_, uint256 elapsed)
        external
        view
        returns (int256 fundingRate, uint256 borrowRate)
    {
        int256 skew = int256(state.long) - int256(state.short);
        uint256 rate = PositionMath.mulUp(MAX_FUNDING / YEAR, Math.min(PositionMath.abs(skew), SKEW_SCALE), SKEW_SCALE);
        return (skew < 0 ? -int256(rate) : int256(rate), _borrow(state, borrowRate_, elapsed));
    }

    /// @dev Falls at once, rises by the ramp: nobody is liquidated because liquidity left.
    function _borrow(Snapshot calldata state, uint256 rate, uint256 elapsed) private view returns (uint256) {
        uint256 total = state.reserved + state.idle;
        uint256 used = total == 0 ? 0 : PositionMath.mulDown(state.reserved, ONE, total);
        uint256 yearly = used <= KINK
            ? BORROW_BASE + PositionMath.mulDown(BORROW_KINK - BORROW_BASE, used, KINK)
            : BORROW_KINK + PositionMath.mulDown(BORROW_FULL - BORROW_KINK, used - KINK, ONE - KINK);
        uint256 from = Math.max(rate, BORROW_BASE / YEAR);
        return Math.min(yearly / YEAR, from + PositionMath.mulDown(BORROW_RAMP / YEAR, elapsed, 1 hours));
    }
}
