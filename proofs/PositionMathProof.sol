// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {PositionMath, Split} from "../contracts/libraries/PositionMath.sol";
import {vm} from "./Vm.sol";

/// @title The arithmetic of one position: every rounding is against the trader, and nothing is made or lost in a division.
contract PositionMathProof {
    uint256 private constant ONE = 1e18;
    uint256 private constant SIZE = 2 ** 97;

    // ---------------------------------------------------------------- division

    /// @notice A quotient rounded down is the largest that the product holds.
    /// @custom:bounds factors and divisor of 128 bits
    function check_mulDown_is_the_floor(uint128 a, uint128 b, uint128 c) external pure {
        vm.assume(c != 0);
        uint256 product = uint256(a) * b;
        uint256 down = PositionMath.mulDown(a, b, c);
        assert(down * c <= product && product - down * c < c);
    }

    /// @notice A quotient rounded up is the smallest that holds the product.
    /// @custom:bounds factors of 127 and 128 bits, divisor of 128 bits
    function check_mulUp_is_the_ceiling(uint128 a, uint128 b, uint128 c) external pure {
        vm.assume(c != 0 && a < 2 ** 127);
        uint256 product = uint256(a) * b;
        uint256 up = PositionMath.mulUp(a, b, c);
        assert(up * c >= product && up * c - product < c);
    }

    /// @notice Rounded up and rounded down are equal where the division is exact, and one apart elsewhere.
    /// @custom:bounds factors of 127 and 128 bits, divisor of 128 bits
    function check_mulUp_is_at_most_one_above(uint128 a, uint128 b, uint128 c) external pure {
        vm.assume(c != 0 && a < 2 ** 127);
        uint256 rest = uint256(a) * b % c;
        assert(PositionMath.mulUp(a, b, c) == PositionMath.mulDown(a, b, c) + (rest == 0 ? 0 : 1));
    }

    /// @notice An amount times a ratio of at most one is no more than the amount, though it is rounded up.
    /// @custom:bounds factors of 127 and 128 bits, divisor of 128 bits
    function check_mulUp_by_a_ratio_is_no_more(uint128 a, uint128 b, uint128 c) external pure {
        vm.assume(c != 0 && a <= c && a < 2 ** 127);
        assert(PositionMath.mulUp(a, b, c) <= b);
    }

    // ---------------------------------------------------------------- value and fees

    /// @notice A larger size is never worth less, in either rounding.
    /// @custom:bounds sizes below 2^97, price of 128 bits, unit 1e18
    function check_value_grows_with_size(uint256 size, uint256 larger, uint128 price) external pure {
        vm.assume(larger < SIZE && size <= larger);
        assert(PositionMath.valueDown(size, price, ONE) <= PositionMath.valueDown(larger, price, ONE));
        assert(PositionMath.valueUp(size, price, ONE) <= PositionMath.valueUp(larger, price, ONE));
    }

    /// @notice A higher price is never worth less, in either rounding.
    /// @custom:bounds size below 2^97, prices of 128 bits, unit 1e18
    function check_value_grows_with_price(uint256 size, uint128 price, uint128 higher) external pure {
        vm.assume(size < SIZE && price <= higher);
        assert(PositionMath.valueDown(size, price, ONE) <= PositionMath.valueDown(size, higher, ONE));
        assert(PositionMath.valueUp(size, price, ONE) <= PositionMath.valueUp(size, higher, ONE));
    }

    /// @notice A fee is never less than its rate of the exact notional.
    /// @custom:bounds rate of 65 bits, size below 2^97, price of 112 bits, unit 1e18
    function check_feeUp_is_never_short(uint256 rate, uint256 size, uint112 price) external pure {
        vm.assume(rate < 2 ** 65 && size < SIZE);
        uint256 fee = PositionMath.feeUp(rate, size, price, ONE);
        uint256 notional = PositionMath.valueUp(size, price, ONE);
        assert(notional * ONE >= size * price);
        assert(fee * ONE >= rate * notional);
    }

    // ---------------------------------------------------------------- gain

    /// @notice A loss is never below the exact one, and not a whole unit above it, for either side.
    /// @custom:bounds size below 2^97, prices of 112 bits, unit 1e18
    function check_gainDown_takes_no_less_than_exact(uint256 size, uint112 price, uint112 move, bool long)
        external
        pure
    {
        vm.assume(size < SIZE && size != 0 && move != 0);
        _assumeCeiling(size, move, ONE);
        unchecked {
            uint256 top = uint256(price) + move;
            uint256 loss = uint256(
                long
                    ? -PositionMath.gainDown(int256(size), top, price, ONE)
                    : -PositionMath.gainDown(-int256(size), price, top, ONE)
            );
            uint256 exact = size * move;
            assert(loss * ONE >= exact && loss * ONE - exact < ONE);
        }
    }

    /// @notice What a long and a short of one size gain together is nothing, or minus one unit: rounding makes no money.
    /// @custom:bounds size below 2^97, prices of 128 bits, unit 1e18
    function check_gainDown_of_both_sides_makes_nothing(uint256 size, uint128 entry, uint128 mark) external pure {
        vm.assume(size < SIZE && size != 0);
        unchecked {
            _assumeOneApart(size, mark >= entry ? uint256(mark) - entry : uint256(entry) - mark);
            int256 both = PositionMath.gainDown(int256(size), entry, mark, ONE)
                + PositionMath.gainDown(-int256(size), entry, mark, ONE);
            assert(both == 0 || both == -1);
        }
    }

    /// @dev mulUp_is_at_most_one_above, for these factors.
    function _assumeOneApart(uint256 a, uint256 b) private pure {
        unchecked {
            uint256 down = PositionMath.mulDown(a, b, ONE);
            uint256 up = PositionMath.mulUp(a, b, ONE);
            vm.assume(down < 2 ** 254 && (up == down || up == down + 1));
        }
    }

    /// @notice A long never gains less at a higher mark.
    /// @custom:bounds size below 2^97, prices of 112 bits, unit 1e18
    function check_gainDown_of_a_long_rises(uint256 size, uint112 entry, uint112 mark, uint112 higher) external pure {
        vm.assume(size < SIZE && size != 0 && mark <= higher);
        int256 long = int256(size);
        assert(PositionMath.gainDown(long, entry, mark, ONE) <= PositionMath.gainDown(long, entry, higher, ONE));
    }

    /// @notice However low the mark falls, a long loses from here at most the largest loss, but for one unit of rounding.
    /// @custom:bounds size below 2^97, marks of 112 bits, unit 1e18
    function check_largestLossDown_bounds_a_long(uint256 size, uint112 later, uint112 fall) external pure {
        vm.assume(size < SIZE && size != 0);
        unchecked {
            uint256 mark = uint256(later) + fall;
            uint256 largest = PositionMath.largestLossDown(int256(size), mark, type(uint256).max, ONE);
            assert(uint256(-PositionMath.gainDown(int256(size), mark, later, ONE)) <= largest + 1);
        }
    }

    /// @notice However high the mark rises below its cap, a short loses from here at most the largest loss, but for one unit.
    /// @custom:bounds size below 2^97, marks within a cap of 112 bits, unit 1e18
    function check_largestLossDown_bounds_a_capped_short(uint256 size, uint112 mark, uint112 later, uint112 cap)
        external
        pure
    {
        vm.assume(size < SIZE && size != 0 && mark <= later && later <= cap);
        uint256 largest = PositionMath.largestLossDown(-int256(size), mark, cap, ONE);
        unchecked {
            assert(uint256(-PositionMath.gainDown(-int256(size), mark, later, ONE)) <= largest + 1);
        }
    }

    /// @notice However low the mark falls, a short gains at most the largest gain: the reserve need not exceed it.
    /// @custom:bounds size below 2^97, prices of 112 bits, unit 1e18
    function check_largestGainDown_bounds_a_short(uint256 size, uint112 entry, uint112 later) external pure {
        vm.assume(size < SIZE && size != 0 && later <= entry);
        uint256 largest = PositionMath.largestGainDown(-int256(size), entry, type(uint256).max, ONE);
        assert(uint256(PositionMath.gainDown(-int256(size), entry, later, ONE)) <= largest);
    }

    /// @notice However high the mark rises below its cap, a long gains at most the largest gain.
    /// @custom:bounds size below 2^97, prices of 112 bits, unit 1e18
    function check_largestGainDown_bounds_a_capped_long(uint256 size, uint112 entry, uint112 rise, uint112 rest)
        external
        pure
    {
        vm.assume(size < SIZE && size != 0 && rise != 0);
        unchecked {
            uint256 later = uint256(entry) + rise;
            uint256 largest = PositionMath.largestGainDown(int256(size), entry, later + rest, ONE);
            assert(uint256(PositionMath.gainDown(int256(size), entry, later, ONE)) <= largest);
        }
    }

    // ---------------------------------------------------------------- carry and fill

    /// @notice What is owed is never less than exact, and not a whole unit more.
    /// @custom:bounds amount of 128 bits, fraction of 72 bits
    function check_carryUp_charges_in_full(uint128 amount, uint72 fraction) external pure {
        unchecked {
            uint256 exact = uint256(amount) * fraction;
            uint256 owed = uint256(PositionMath.carryUp(amount, int256(uint256(fraction)))) * ONE;
            assert(owed >= exact && owed - exact < ONE);
        }
    }

    /// @notice Between a long and a short of one notional no carry is made: who pays pays at least what the other receives.
    /// @custom:bounds amount of 128 bits, fraction of 72 bits
    function check_carryUp_of_both_sides_makes_nothing(uint128 amount, uint72 fraction) external pure {
        int256 rate = int256(uint256(fraction));
        _assumeOneApart(amount, fraction);
        unchecked {
            int256 both = PositionMath.carryUp(amount, rate) + PositionMath.carryUp(amount, -rate);
            assert(fraction == 0 || both == 0 || both == 1);
        }
    }

    /// @notice A buyer never enters below the mark, a seller never above it, and neither below zero.
    /// @custom:bounds mark and index of 128 bits, premium rate of 64 bits
    function check_fill_is_the_worse_side_of_the_mark(uint128 mark, uint64 rate, uint128 index) external pure {
        uint256 bought = PositionMath.fill(mark, rate, index, true);
        uint256 sold = PositionMath.fill(mark, rate, index, false);
        assert(bought >= mark && sold <= mark);
        assert((bought - mark) * ONE >= uint256(rate) * index);
        assert(sold == 0 || (mark - sold) * ONE >= uint256(rate) * index);
    }

    /// @notice A larger premium is never a better fill.
    /// @custom:bounds mark and index of 128 bits, premium rates of 64 bits
    function check_fill_worsens_with_the_premium(uint128 mark, uint64 rate, uint64 higher, uint128 index)
        external
        pure
    {
        vm.assume(rate <= higher);
        assert(PositionMath.fill(mark, rate, index, true) <= PositionMath.fill(mark, higher, index, true));
        assert(PositionMath.fill(mark, rate, index, false) >= PositionMath.fill(mark, higher, index, false));
    }

    // ---------------------------------------------------------------- split

    /// @notice A share of an amount, up to all of it, is never more than the amount, in either rounding.
    /// @custom:bounds amount of 128 bits, share up to 100 %
    function check_a_share_is_no_more_than_the_whole(uint128 amount, uint64 share) external pure {
        vm.assume(share <= ONE);
        assert(PositionMath.mulUp(amount, share, ONE) <= amount && PositionMath.mulDown(amount, share, ONE) <= amount);
    }

    /// @notice Trader, pool and keeper together get exactly margin and reserve.
    /// @custom:bounds margin and reserve of 88 bits, any equity, fees of 128 bits, phi to 50 %
    function check_split_conserves(Slice calldata s) external pure {
        Split memory parts = _split(s);
        unchecked {
            assert(parts.toTrader + parts.toPool + parts.toKeeper == uint256(s.margin) + s.reserve);
        }
    }

    /// @notice Trader and keeper together never get more than equity, held between nothing and margin + reserve.
    /// @custom:bounds margin and reserve of 88 bits, any equity, fees of 128 bits, phi to 50 %
    function check_split_pays_no_more_than_equity(Slice calldata s) external pure {
        Split memory parts = _split(s);
        uint256 equity = _clamped(s);
        assert(parts.toTrader <= equity && parts.toKeeper <= equity - parts.toTrader);
    }

    /// @notice Without equity the pool gets everything.
    /// @custom:bounds margin and reserve of 88 bits, no equity, fees of 128 bits, phi to 50 %
    function check_split_without_equity_is_the_pools(Slice calldata s) external pure {
        vm.assume(s.equity <= 0);
        assert(_split(s).toPool == uint256(s.margin) + s.reserve);
    }

    /// @notice Without phi the trader gets equity less fees, or nothing, and the keeper nothing.
    /// @custom:bounds margin and reserve of 88 bits, any equity, fees of 128 bits
    function check_split_without_phi_takes_fees_only(Slice calldata s) external pure {
        vm.assume(s.phi == 0);
        Split memory parts = PositionMath.split(s.margin, s.reserve, s.equity, s.fees, 0, s.phiToPool);
        assert(parts.toTrader == _afterFees(s) && parts.toKeeper == 0);
    }

    struct Slice {
        uint88 margin;
        uint88 reserve;
        int256 equity;
        uint128 fees;
        uint64 phi;
        uint64 phiToPool;
    }

    /// @dev What is assumed of phi's two divisions is proven above: a share is no more than the whole.
    function _split(Slice calldata s) private pure returns (Split memory) {
        vm.assume(s.phi <= ONE / 2 && s.phiToPool <= ONE);
        unchecked {
            uint256 rest = _afterFees(s);
            uint256 penalty = PositionMath.mulUp(rest, s.phi, ONE);
            vm.assume(penalty <= rest && PositionMath.mulDown(penalty, ONE - s.phiToPool, ONE) <= penalty);
        }
        return PositionMath.split(s.margin, s.reserve, s.equity, s.fees, s.phi, s.phiToPool);
    }

    function _afterFees(Slice calldata s) private pure returns (uint256) {
        uint256 equity = _clamped(s);
        return equity > s.fees ? equity - s.fees : 0;
    }

    function _clamped(Slice calldata s) private pure returns (uint256) {
        uint256 most = uint256(s.margin) + s.reserve;
        if (s.equity <= 0) return 0;
        return uint256(s.equity) < most ? uint256(s.equity) : most;
    }

    // ---------------------------------------------------------------- liquidation

    struct Health {
        uint88 equity;
        uint88 target;
        uint88 fees;
        uint64 phi;
    }

    /// @notice A liquidated fraction is never above the whole, and the whole where nothing is left.
    /// @custom:bounds equity of 256 bits, amounts of 88 bits, phi to 50 %
    function check_fraction_is_at_most_the_whole(int256 equity, uint88 target, uint88 fees, uint64 phi) external pure {
        vm.assume(phi <= ONE / 2);
        uint256 fraction = PositionMath.liquidationFractionUp(equity, target, fees, phi);
        assert(fraction <= ONE && (equity > 0 || fraction == ONE));
    }

    /// @notice At the target, or above it, nothing is liquidated.
    /// @custom:bounds amounts of 88 bits, phi to 50 %
    function check_fraction_is_none_at_the_target(Health calldata h) external pure {
        vm.assume(h.equity >= h.target && h.equity != 0);
        assert(_fraction(h) == 0);
    }

    /// @notice A part restores the target: equity - f x cost >= target x (1 - f), which is f x (target - cost) >= target - equity.
    /// @custom:bounds amounts of 88 bits, phi to 50 %
    function check_fraction_restores_the_target(Health calldata h) external pure {
        (uint256 missing, uint256 freed) = _missing(h);
        _assumeCeiling(missing, ONE, freed);
        uint256 fraction = _fraction(h);
        unchecked {
            assert(fraction == ONE || fraction * freed >= missing * ONE);
        }
    }

    /// @notice A part is the smallest that does: one billionth of a billionth less would not restore the target.
    /// @custom:bounds amounts of 88 bits, phi to 50 %
    function check_fraction_is_the_smallest(Health calldata h) external pure {
        (uint256 missing, uint256 freed) = _missing(h);
        _assumeCeiling(missing, ONE, freed);
        uint256 fraction = _fraction(h);
        unchecked {
            assert(fraction == ONE || fraction * freed - missing * ONE < freed);
        }
    }

    /// @notice Where the cost of liquidating reaches the target, no part restores it: the whole goes.
    /// @custom:bounds amounts of 88 bits, phi to 50 %
    function check_fraction_is_the_whole_where_no_part_helps(Health calldata h) external pure {
        vm.assume(h.phi <= ONE / 2 && h.equity < h.target);
        vm.assume(h.fees + PositionMath.mulUp(h.equity, h.phi, ONE) >= h.target);
        assert(_fraction(h) == ONE);
    }

    function _fraction(Health calldata h) private pure returns (uint256) {
        return PositionMath.liquidationFractionUp(int256(uint256(h.equity)), h.target, h.fees, h.phi);
    }

    /// @dev What equity misses to the target, and what a whole liquidation would free of it.
    function _missing(Health calldata h) private pure returns (uint256 missing, uint256 freed) {
        vm.assume(h.phi <= ONE / 2 && h.equity != 0 && h.equity < h.target);
        unchecked {
            uint256 cost = h.fees + PositionMath.mulUp(h.equity, h.phi, ONE);
            vm.assume(cost < h.target);
            return (uint256(h.target) - h.equity, h.target - cost);
        }
    }

    /// @dev mulUp_is_the_ceiling, for these factors.
    function _assumeCeiling(uint256 a, uint256 b, uint256 c) private pure {
        unchecked {
            uint256 up = PositionMath.mulUp(a, b, c);
            vm.assume(up * c >= a * b && up * c - a * b < c && up < 2 ** 254);
        }
    }
}
