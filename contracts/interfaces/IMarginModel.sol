// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Snapshot} from "./IInstrument.sol";

/// @title How much equity a position must have. Values are collateral with 18 decimals.
interface IMarginModel {
    /// @notice To open, or to take margin out.
    function initial(Snapshot calldata state, uint256 mark, int256 size) external view returns (uint256);

    /// @notice Does `initial` depend on open sizes, or on what the pool holds? Where it does not, it may be shown zeros for them.
    function looksAtMarket() external view returns (bool);

    /// @notice To stay open, and what a partial liquidation restores. Price alone decides: no open interest, no depth.
    function maintenance(uint24 series, uint256 index, uint256 mark, int256 size)
        external
        view
        returns (uint256 maintenance, uint256 target);
}
