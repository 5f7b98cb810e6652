// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {MarketConfig} from "./IMarket.sol";

/// @title Permissionless creation and registry of markets.
interface IFactory {
    /// @notice A field of the configuration breaks its bound.
    error ConfigInvalid(string field, uint256 value, uint256 bound);
    /// @notice This very configuration has its market already.
    error MarketExists(address market);
    error CreationFailed(string part);

    event MarketCreated(address indexed market, address indexed pool, address indexed token, MarketConfig config);

    /// @notice Creates the market of a configuration. Anyone may.
    function createMarket(MarketConfig calldata config) external returns (address market, address pool);

    /// @notice Where the market of a configuration is, or will be.
    function marketOf(MarketConfig calldata config) external view returns (address market, address pool, address vault);

    /// @notice Was this market created here? Its code and its bounds can then be relied on.
    function isMarket(address market) external view returns (bool);

    function marketCount() external view returns (uint256);

    function marketAt(uint256 id) external view returns (address);
}
