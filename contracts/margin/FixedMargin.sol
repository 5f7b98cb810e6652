// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IMarginModel} from "../interfaces/IMarginModel.sol";
import {Snapshot} from "../interfaces/IInstrument.sol";
import {PositionMath} from "../libraries/PositionMath.sol";

/// @title Fixed rates of notional, whatever the weather.
contract FixedMargin is IMarginModel {
    uint256 private constant ONE = 1e18;

    /// @notice 1e18 = 100 % of notional.
    uint256 public immutable INITIAL;
    uint256 public immutable TARGET;
    uint256 public immutable MAINTENANCE;

    /// @notice Not 0 < maintenance < target <= initial <= 100 %.
    error RatesInvalid(uint256 initial, uint256 target, uint256 maintenance);

    constructor(uint256 initial_, uint256 target, uint256 maintenance_) {
        if (maintenance_ == 0 || maintenance_ >= target || target > initial_ || initial_ > ONE) {
            revert RatesInvalid(initial_, target, maintenance_);
        }
        (INITIAL, TARGET, MAINTENANCE) = (initial_, target, maintenance_);
    }

    /// @inheritdoc IMarginModel
    function initial(Snapshot calldata state, uint256, int256 size) external view returns (uint256) {
        return PositionMath.mulUp(_notional(state.index, size), INITIAL, ONE);
    }

    /// @inheritdoc IMarginModel
    function looksAtMarket() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IMarginModel
    function maintenance(uint24, uint256 index, uint256, int256 size) external view returns (uint256, uint256) {
        uint256 notional = _notional(index, size);
        return (PositionMath.mulUp(notional, MAINTENANCE, ONE), PositionMath.mulUp(notional, TARGET, ONE));
    }

    function _notional(uint256 index, int256 size) private pure returns (uint256) {
        return PositionMath.mulUp(PositionMath.abs(size), index, ONE);
    }
}
