// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Snapshot} from "../contracts/interfaces/IInstrument.sol";
import {PositionMath} from "../contracts/libraries/PositionMath.sol";
import {FixedMargin} from "../contracts/margin/FixedMargin.sol";
import {vm} from "./Vm.sol";

/// @title Requirements of fixed rates, those that are shipped: 4 % initial, 3 % target, 2 % maintenance.
contract FixedMarginProof {
    uint256 private constant SIZE = 2 ** 97;

    FixedMargin private _model;

    function setUp() external {
        _model = new FixedMargin(0.04e18, 0.03e18, 0.02e18);
    }

    /// @notice A larger size never needs less, to open or to stay open, nor is its target lower.
    /// @custom:bounds sizes below 2^97, index of 128 bits
    function check_requirements_grow_with_size(uint256 size, uint256 larger, uint128 index) external view {
        vm.assume(larger < SIZE && size <= larger);
        _requireNoLess(int256(size), index, int256(larger), index);
    }

    /// @notice A higher price never needs less.
    /// @custom:bounds size below 2^97, indices of 128 bits
    function check_requirements_grow_with_price(uint256 size, uint128 index, uint128 higher) external view {
        vm.assume(size < SIZE && index <= higher);
        _requireNoLess(int256(size), index, int256(size), higher);
    }

    /// @notice Maintenance is at most the target, and the target at most initial.
    /// @custom:bounds size below 2^97, index of 128 bits
    function check_maintenance_target_initial_in_order(uint256 size, uint128 index) external view {
        vm.assume(size < SIZE);
        (uint256 maintenance, uint256 target) = _model.maintenance(0, index, index, int256(size));
        assert(maintenance <= target && target <= _initial(int256(size), index));
    }

    /// @notice A long and a short of one size need the same.
    /// @custom:bounds size below 2^97, index of 128 bits
    function check_sides_need_the_same(uint256 size, uint128 index) external view {
        vm.assume(size < SIZE && size != 0);
        unchecked {
            (uint256 long,) = _model.maintenance(0, index, index, int256(size));
            (uint256 short,) = _model.maintenance(0, index, index, -int256(size));
            assert(long == short && _initial(int256(size), index) == _initial(-int256(size), index));
        }
    }

    /// @notice What has no size, or no price, needs nothing.
    /// @custom:bounds size below 2^97, index of 128 bits
    function check_nothing_needs_nothing(uint256 size, uint128 index) external view {
        vm.assume(size < SIZE && (size == 0 || index == 0));
        (uint256 maintenance, uint256 target) = _model.maintenance(0, index, index, int256(size));
        assert(maintenance == 0 && target == 0 && _initial(int256(size), index) == 0);
    }

    /// @notice Maintenance is never below 2 % of the exact notional.
    /// @custom:bounds size below 2^97, index of 112 bits
    function check_maintenance_is_rounded_up(uint256 size, uint112 index) external view {
        vm.assume(size < SIZE);
        (uint256 maintenance,) = _model.maintenance(0, index, index, int256(size));
        uint256 notional = PositionMath.mulUp(size, index, 1e18);
        unchecked {
            assert(notional * 1e18 >= size * index && maintenance * 50 >= notional);
        }
    }

    function _requireNoLess(int256 size, uint256 index, int256 larger, uint256 higher) private view {
        (uint256 maintenance, uint256 target) = _model.maintenance(0, index, index, size);
        (uint256 more, uint256 moreTarget) = _model.maintenance(0, higher, higher, larger);
        assert(maintenance <= more && target <= moreTarget);
        assert(_initial(size, index) <= _initial(larger, higher));
    }

    function _initial(int256 size, uint256 index) private view returns (uint256) {
        Snapshot memory state;
        state.index = index;
        return _model.initial(state, index, size);
    }
}
