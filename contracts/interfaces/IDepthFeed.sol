// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title How much can be traded before the price moves.
interface IDepthFeed {
    /// @notice Collateral, with 18 decimals, that moves the price by the feed's band; 0: nothing is known. Reverts for lack of gas only.
    function depth() external view returns (uint256);
}
