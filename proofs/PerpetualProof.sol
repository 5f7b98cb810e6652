// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Snapshot} from "../contracts/interfaces/IInstrument.sol";
import {Perpetual} from "../contracts/instruments/Perpetual.sol";
import {vm} from "./Vm.sol";

/// @title The perpetual with the shipped rates: who pays whom, and how fast a rate may rise.
contract PerpetualProof {
    uint256 private constant ONE = 1e18;
    uint256 private constant YEAR = 365 days;
    uint256 private constant SIZE = 2 ** 97;
    uint256 private constant SCALE = 2 ** 70; // about 1,180 units
    uint256 private constant MAX_FUNDING = ONE;
    uint256 private constant BASE = 0.02e18;
    uint256 private constant FULL = ONE;
    uint256 private constant RAMP = 0.2e18;

    Perpetual private _perpetual;

    function setUp() external {
        _perpetual = new Perpetual(
            Perpetual.Parameters({
                skewScale: SCALE,
                maxFunding: MAX_FUNDING,
                borrowBase: BASE,
                borrowKink: 0.2e18,
                borrowFull: FULL,
                kink: 0.8e18,
                borrowRamp: RAMP
            })
        );
    }

    /// @notice Mark is index: what is paid above or below it stands in the fill alone.
    /// @custom:bounds everything of 256 bits
    function check_mark_is_index(uint24 series, uint256 index, uint256 time) external view {
        assert(_perpetual.mark(series, index, time) == index);
    }

    /// @notice A sale that brings the sides closer, or leaves them as far apart, pays no premium.
    /// @custom:bounds sizes of 88 bits
    function check_no_premium_on_a_sale_that_balances(uint88 short, uint88 skew, uint88 size) external view {
        vm.assume(size != 0 && size <= skew);
        assert(_perpetual.premium(_sizes(uint256(short) + skew, short), -int256(uint256(size))) == 0);
    }

    /// @notice The same for a purchase.
    /// @custom:bounds sizes of 88 bits
    function check_no_premium_on_a_purchase_that_balances(uint88 long, uint88 skew, uint88 size) external view {
        vm.assume(size != 0 && size <= skew);
        assert(_perpetual.premium(_sizes(long, uint256(long) + skew), int256(uint256(size))) == 0);
    }

    /// @notice The heavier side owes funding to the lighter one, and nobody anything where both are equal.
    /// @custom:bounds sizes below 2^97, skew scale 2^70
    function check_heavier_side_owes_funding(uint256 long, uint256 short) external view {
        vm.assume(long < SIZE && short < SIZE);
        (int256 rate,) = _perpetual.carry(_sizes(long, short), 0, 0);
        assert(long == short ? rate == 0 : (long > short ? rate > 0 : rate < 0));
    }

    /// @notice Funding is never above its largest rate.
    /// @custom:bounds sizes below 2^97, skew scale 2^70
    function check_funding_is_bounded(uint256 long, uint256 short) external view {
        vm.assume(long < SIZE && short < SIZE);
        (int256 rate,) = _perpetual.carry(_sizes(long, short), 0, 0);
        assert(rate <= int256(MAX_FUNDING / YEAR) && rate >= -int256(MAX_FUNDING / YEAR));
    }

    /// @notice Funding is the same for either side: with the sides exchanged it is its negative.
    /// @custom:bounds sizes below 2^97, skew scale 2^70
    function check_funding_is_the_same_for_either_side(uint256 long, uint256 short) external view {
        vm.assume(long < SIZE && short < SIZE);
        (int256 rate,) = _perpetual.carry(_sizes(long, short), 0, 0);
        (int256 exchanged,) = _perpetual.carry(_sizes(short, long), 0, 0);
        unchecked {
            assert(rate == -exchanged);
        }
    }

    /// @notice The borrow rate rises by its ramp at most, counted from the last rate or the base rate.
    /// @custom:bounds utilisation from none to all in steps of 1 / 16, last rate of 40 bits, elapsed of 32 bits
    function check_borrowing_rises_by_its_ramp(uint8 used, uint40 last, uint32 elapsed) external view {
        uint256 rate = _borrowing(used, last, elapsed);
        uint256 from = last > BASE / YEAR ? last : BASE / YEAR;
        assert(rate <= from + RAMP / YEAR * elapsed / 1 hours);
    }

    /// @notice The borrow rate is at once no higher than what full utilisation costs, whatever it was.
    /// @custom:bounds utilisation from none to all in steps of 1 / 16, last rate of 40 bits, elapsed of 32 bits
    function check_borrowing_is_bounded(uint8 used, uint40 last, uint32 elapsed) external view {
        assert(_borrowing(used, last, elapsed) <= FULL / YEAR);
    }

    /// @notice Where nothing is lent the rate falls to the base rate at once, and is never below it.
    /// @custom:bounds last rate of 40 bits, elapsed of 32 bits
    function check_borrowing_falls_at_once(uint40 last, uint32 elapsed) external view {
        (, uint256 rate) = _perpetual.carry(_funds(0, 16), last, elapsed);
        assert(rate == BASE / YEAR);
    }

    /// @dev Utilisation is one of 17 values: each becomes a path of its own, without a division that is open.
    function _borrowing(uint256 used, uint256 last, uint256 elapsed) private view returns (uint256 rate) {
        vm.assume(used <= 16);
        for (uint256 i; i <= 16; ++i) {
            if (used == i) (, rate) = _perpetual.carry(_funds(i, 16 - i), last, elapsed);
        }
    }

    function _sizes(uint256 long, uint256 short) private pure returns (Snapshot memory state) {
        (state.long, state.short) = (long, short);
    }

    function _funds(uint256 reserved, uint256 idle) private pure returns (Snapshot memory state) {
        (state.reserved, state.idle) = (reserved, idle);
    }
}
