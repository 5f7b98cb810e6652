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
/// Nothing overflows, and nothing pays for a check of it: sizes are below 2 ** 97 (64 bits of lots), prices below 2 ** 128,
/// rates below 2 ** 65, indices of carry below 2 ** 72, amounts of a position below 2 ** 88; see docs/spec.md, Bounds.
library PositionMath {
    uint256 internal constant ONE = 1e18;
    /// @notice Sizes are multiples of it: eight decimals.
    uint256 internal constant LOT = 1e10;

    /// @notice floor(a x b / c); the product must fit in 256 bits
    function mulDown(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        unchecked {
            return a * b / c;
        }
    }

    /// @notice ceil(a x b / c); the product must fit in 256 bits
    function mulUp(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        unchecked {
            return (a * b + c - 1) / c;
        }
    }

    /// @notice floor(abs(size) x price / unit)
    function valueDown(uint256 size, uint256 price, uint256 unit) internal pure returns (uint256) {
        return mulDown(size, price, unit);
    }

    /// @notice ceil(abs(size) x price / unit)
    function valueUp(uint256 size, uint256 price, uint256 unit) internal pure returns (uint256) {
        return mulUp(size, price, unit);
    }

    /// @notice ceil(rate x abs(size) x price), rate 1e18 = 100 %
    function feeUp(uint256 rate, uint256 size, uint256 price, uint256 unit) internal pure returns (uint256) {
        return mulUp(rate, valueUp(size, price, unit), ONE);
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
            ? int256(mulUp(amount, uint256(fraction), ONE))
            : -int256(mulDown(amount, uint256(-fraction), ONE));
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
        if (buy) return mark + mulUp(premiumRate, index, ONE);
        return Math.saturatingSub(mark, mulUp(premiumRate, index, ONE));
    }

    /// @notice Divides a slice: close fee, then premium, then phi of what is left, then the trader.
    /// @param equity of the slice, unclamped
    /// @param fees close fee plus premium, taken as far as equity reaches
    /// @param phi share of what remains
    /// @param phiToPool the pool's part of phi
    function split(uint256 margin, uint256 reserve, int256 equity, uint256 fees, uint256 phi, uint256 phiToPool)
        internal
        pure
        returns (Split memory parts)
    {
        uint256 rest = equity <= 0 ? 0 : Math.min(uint256(equity), margin + reserve);
        rest -= Math.min(rest, fees);
        uint256 penalty = mulUp(rest, phi, ONE);
        parts.toKeeper = mulDown(penalty, ONE - phiToPool, ONE);
        parts.toTrader = rest - penalty;
        parts.toPool = margin + reserve - parts.toTrader - parts.toKeeper;
    }

    /// @notice Smallest fraction f whose liquidation restores the target, 1e18 = all:
    /// equity - f x (fees + phi x equity) >= target x (1 - f), rounded up.
    /// @param equity after the flat fee
    /// @param fees close fee plus premium of the whole
    function liquidationFractionUp(int256 equity, uint256 target, uint256 fees, uint256 phi)
        internal
        pure
        returns (uint256)
    {
        if (equity <= 0) return ONE;
        uint256 held = uint256(equity);
        if (held >= target) return 0;
        uint256 cost = fees + mulUp(held, phi, ONE);
        if (target <= cost) return ONE;
        return Math.min(ONE, mulUp(target - held, ONE, target - cost));
    }

    function abs(int256 value) internal pure returns (uint256) {
        return uint256(value < 0 ? -value : value);
    }
}
