// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IMarket} from "./IMarket.sol";

/// @title What readers look up. The core never imports it.
interface ILens {
    /// @notice State of one position at a price.
    /// @param position its vault
    /// @param equity unclamped, token units
    struct Health {
        address position;
        int256 equity;
        uint256 maintenance;
        uint256 target;
    }

    /// @notice The interval of index, both ends included, in which a position is healthy now. Empty where low > high.
    /// @dev For instruments whose health changes sides at most once on each side of the healthy interval, as those of
    /// one position do: equity is monotone in the mark and requirements grow slower than it.
    function healthyRange(IMarket market, address position) external view returns (uint256 low, uint256 high);

    /// @notice Health of many positions at one price; those that are not open are left out.
    function healthOf(IMarket market, address[] calldata positions, uint256 index, uint256 time)
        external
        view
        returns (Health[] memory);

    /// @notice One bit a position, lowest first: liquidatable at this price as far as health decides.
    function unhealthy(IMarket market, address[] calldata positions, uint256 index, uint256 time)
        external
        view
        returns (uint256[] memory bitmap);
}
