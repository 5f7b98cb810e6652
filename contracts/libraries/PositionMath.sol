// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice How one exit divides what a slice of a vault holds. Token units; the parts sum to margin + reserve of the slice.
struct Split {
    uint256 toTrader;
    uint256 toPool;
    uint256 toKeeper;
}

/// @title The arithmetic of one position.
/// @dev `unit` = 10 ** (36 - decimals of the token): size x price / unit is token units.
/// Every rounding is against the trader: gains down, debts and requirements up.
library PositionMath {
    uint256 internal constant ONE = 1e18;

    /// @notice floor(abs(size) x price / unit)
    function valueDown(uint256 size, uint256 price, uint256 unit) internal pure returns (uint256) {
        return Math.mulDiv(size, price, unit);
    }

    /// @notice ceil(abs(size) x price / unit)
    function valueUp(uint256 size, uint256 price, uint256 unit) internal pure returns (uint256) {
        return Math.mulDiv(size, price, unit, Math.Rounding.Ceil);
    }

    /// @notice ceil(rate x abs(size) x price), rate 1e18 = 100 %
    function feeUp(uint256 rate, uint256 size, uint256 price, uint256 unit) internal pure returns (uint256) {
        return Math.mulDiv(rate, valueUp(size, price, unit), ONE, Math.Rounding.Ceil);
    }

    /// @notice floor(size x (mark - entry))
    function gainDown(int256 size, uint256 entry, uint256 mark, uint256 unit) internal pure returns (int256) {
        (uint256 from, uint256 to) = size > 0 ? (entry, mark) : (mark, entry);
        uint256 amount = abs(size);
        return to >= from ? int256(valueDown(amount, to - from, unit)) : -int256(valueUp(amount, from - to, unit));
    }

    /// @notice ceil(amount x fraction), a signed fraction of 1e18
    function carryUp(uint256 amount, int256 fraction) internal pure returns (int256) {
        return fraction >= 0
            ? int256(Math.mulDiv(amount, uint256(fraction), ONE, Math.Rounding.Ceil))
            : -int256(Math.mulDiv(amount, uint256(-fraction), ONE));
    }

    /// @notice The largest loss still possible at `mark`: a long loses the mark, a short what is left to the cap.
    function largestLossDown(int256 size, uint256 mark, uint256 cap, uint256 unit) internal pure returns (uint256) {
        if (size > 0) return valueDown(uint256(size), mark, unit);
        if (cap == type(uint256).max) return type(uint256).max;
        return valueDown(abs(size), cap - mark, unit);
    }

    /// @notice The largest gain from `entry`: the reserve never exceeds it.
    function largestGainDown(int256 size, uint256 entry, uint256 cap, uint256 unit) internal pure returns (uint256) {
        if (size < 0) return valueDown(abs(size), entry, unit);
        if (cap == type(uint256).max) return type(uint256).max;
        return cap > entry ? valueDown(uint256(size), cap - entry, unit) : 0;
    }

    /// @notice entry = mark plus premium when buying, minus when selling, never below zero.
    function fill(uint256 mark, uint256 premiumRate, uint256 index, bool buy) internal pure returns (uint256) {
        if (buy) return mark + Math.mulDiv(premiumRate, index, ONE, Math.Rounding.Ceil);
        return Math.saturatingSub(mark, Math.mulDiv(premiumRate, index, ONE, Math.Rounding.Ceil));
    }

    /// @notice Divides a slice: close fee, then premium, then phi of what is left, then the trader.
    /// @param equity of the slice, unclamped
    /// @param fees close fee plus premium, taken as far as equity reaches
    /// @param phi share of what remains, @param phiToPool the pool's part of phi
    function split(uint256 margin, uint256 reserve, int256 equity, uint256 fees, uint256 phi, uint256 phiToPool)
        internal
        pure
        returns (Split memory parts)
    {
        uint256 rest = equity <= 0 ? 0 : Math.min(uint256(equity), margin + reserve);
        rest -= Math.min(rest, fees);
        uint256 penalty = Math.mulDiv(rest, phi, ONE, Math.Rounding.Ceil);
        parts.toKeeper = Math.mulDiv(penalty, ONE - phiToPool, ONE);
        parts.toTrader = rest - penalty;
        parts.toPool = margin + reserve - parts.toTrader - parts.toKeeper;
    }

    /// @notice Smallest fraction f whose liquidation restores the target, 1e18 = all:
    /// equity - f x (fees + phi x equity) >= target x (1 - f), rounded up.
    /// @param equity after the flat fee, @param fees close fee plus premium of the whole
    function liquidationFractionUp(int256 equity, uint256 target, uint256 fees, uint256 phi)
        internal
        pure
        returns (uint256)
    {
        if (equity <= 0) return ONE;
        uint256 held = uint256(equity);
        if (held >= target) return 0;
        uint256 cost = fees + Math.mulDiv(held, phi, ONE, Math.Rounding.Ceil);
        if (target <= cost) return ONE;
        return Math.min(ONE, Math.mulDiv(target - held, ONE, target - cost, Math.Rounding.Ceil));
    }

    function abs(int256 value) internal pure returns (uint256) {
        return uint256(value < 0 ? -value : value);
    }
}
