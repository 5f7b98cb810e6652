// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "../contracts/interfaces/IOracle.sol";
import {MarketConfig} from "../contracts/interfaces/IMarket.sol";
import {Perpetual} from "../contracts/instruments/Perpetual.sol";
import {FixedMargin} from "../contracts/margin/FixedMargin.sol";
import {TokenMock} from "../contracts/mocks/TokenMock.sol";
import {Operators} from "../contracts/Operators.sol";

/// @notice An oracle that always has one price.
contract StillOracle is IOracle {
    uint256 private constant INDEX = 2000e18;

    function commitment() external pure returns (uint16) {
        return 1;
    }

    function firstAfter(uint16, uint256 afterTime, bytes calldata) external pure returns (uint256, uint256, bool) {
        return (INDEX, afterTime + 1, true);
    }

    function latest() external view returns (uint256, uint256) {
        return (INDEX, block.timestamp);
    }

    function checkOutage() external pure returns (bool) {
        return false;
    }

    function finalPrice() external pure returns (bool, uint256, uint256) {
        return (false, 0, 0);
    }

    function heartbeat() external pure returns (uint256) {
        return 3600;
    }

    function deviation() external pure returns (uint256) {
        return 0.005e18;
    }
}

/// @notice A market's parts, with the values that are shipped.
abstract contract Stage {
    TokenMock internal _token;
    Operators internal _operators;

    function _config() internal returns (MarketConfig memory c) {
        (_token, _operators) = (new TokenMock(18), new Operators());
        (c.token, c.operators) = (address(_token), address(_operators));
        (c.oracle, c.marginModel) = (address(new StillOracle()), address(new FixedMargin(0.04e18, 0.03e18, 0.02e18)));
        c.instrument =
            address(new Perpetual(Perpetual.Parameters(1000e18, 1e18, 0.02e18, 0.2e18, 1e18, 0.8e18, 0.2e18)));
        (c.delay, c.timeToLive) = (12, 3900);
        (c.openFee, c.closeFee, c.phi, c.phiToPool) = (0.0005e18, 0.0005e18, 0.1e18, 0.5e18);
        (c.smallestLiquidation, c.largestLiquidation) = (0.25e18, 0.75e18);
        (c.smallestReserve, c.largestReserve, c.largestUtilisation) = (0.05e18, 1e18, 0.9e18);
        (c.keeperFloor, c.keeperCap, c.liquidationFee) = (1e18, 20e18, 20e18);
        (c.minMargin, c.minSize) = (100e18, 1e16);
    }
}
