// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Snapshot} from "../contracts/interfaces/IInstrument.sol";
import {VolatilityMargin, VolatilityMarginTerms, VolatilityRate} from "../contracts/margin/VolatilityMargin.sol";
import {MarginFeedMock} from "../contracts/mocks/VolatilityHarness.sol";
import {vm} from "./Vm.sol";

/// @title Requirements that follow volatility, with the rates that are shipped: 4, 3 and 2 deviations of an hour, floors of 4, 3
/// and 2 %, caps of 50, 37.5 and 25 %. The feeds say whatever the lemma says.
contract VolatilityMarginProof {
    uint256 private constant SIZE = 2 ** 97;

    MarginFeedMock private _feed;
    VolatilityMargin private _model;

    function setUp() external {
        _feed = new MarginFeedMock();
        VolatilityMarginTerms memory t;
        t.volatility = address(_feed);
        (t.horizon, t.decimals) = (1 hours, 6);
        t.initial = VolatilityRate(4e18, 0.04e18, 0.5e18);
        t.target = VolatilityRate(3e18, 0.03e18, 0.375e18);
        t.maintenance = VolatilityRate(2e18, 0.02e18, 0.25e18);
        (t.depth, t.impact, t.openInterest) = (address(_feed), 0.1e18, 0.01e18);
        _model = new VolatilityMargin(t);
    }

    /// @notice A long and a short of one size need the same, where as much is open on either side.
    /// @custom:bounds size below 2^97, index of 112 bits, volatility of 64 bits, no depth
    function check_either_side_needs_the_same(uint256 size, uint112 index, uint64 volatility, uint96 open_) external {
        vm.assume(size < SIZE && size != 0);
        _feed.set(volatility, volatility, 0);
        Snapshot memory state = _at(index);
        (state.long, state.short) = (open_, open_);
        unchecked {
            (uint256 long,) = _model.maintenance(0, index, index, int256(size));
            (uint256 short,) = _model.maintenance(0, index, index, -int256(size));
            assert(long == short);
            assert(_model.initial(state, index, int256(size)) == _model.initial(state, index, -int256(size)));
        }
    }

    /// @notice Depth and the highest volatility never touch what a position needs to stay open.
    /// @custom:bounds size below 2^97, index of 112 bits, volatilities of 64 bits, depths of 128 bits
    function check_maintenance_follows_the_ramp_alone(
        uint256 size,
        uint112 index,
        uint64 ramped,
        uint64 highest,
        uint64 other,
        uint128 depth,
        uint128 deeper
    ) external {
        vm.assume(size < SIZE);
        _feed.set(highest, ramped, depth);
        (uint256 maintenance, uint256 target) = _model.maintenance(0, index, index, int256(size));
        _feed.set(other, ramped, deeper);
        (uint256 same, uint256 sameTarget) = _model.maintenance(0, index, index, int256(size));
        assert(maintenance == same && target == sameTarget);
    }

    function _at(uint256 index) private pure returns (Snapshot memory state) {
        state.index = index;
    }
}
