// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {MarketConfig} from "./IMarket.sol";

/// @title Permissionless creation and registry of markets.
interface IFactory {
    /// @notice A field of the configuration breaks its bound.
    error ConfigInvalid(string field, uint256 value, uint256 bound);
    /// @notice This very configuration has its market already.
    error MarketExists(address market);
    /// @notice The code of this part of the market could not be created, or did not end up at its address.
    error CreationFailed(string part);

    /// @notice A market stands, with all that it is made from.
    event MarketCreated(address indexed market, address indexed pool, address indexed token, MarketConfig config);

    /// @notice Creates the market of a configuration. Anyone may.
    function createMarket(MarketConfig calldata config) external returns (address market, address pool);

    /// @notice Where the market of a configuration is, or will be.
    function marketOf(MarketConfig calldata config) external view returns (address market, address pool, address vault);

    /// @notice Was this market created here? Its code and its bounds can then be relied on.
    function isMarket(address market) external view returns (bool);

    /// @notice Markets created so far.
    function marketCount() external view returns (uint256);

    /// @notice The market that was created as number `id`, from 0 on.
    function marketAt(uint256 id) external view returns (address);
}
