// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The safe of one position.
/// @notice Pays, on its market's order, its trader and its pool, and nobody else.
interface IPositionVault {
    /// @notice Only the market gives orders.
    error NotMarket(address caller);

    /// @notice The one who owns the position.
    function trader() external view returns (address);

    /// @notice Pays both parties; what the token refuses to deliver stays here.
    /// @return traderPaid whether the trader's part left
    /// @return poolPaid whether the pool's part left
    function pay(uint256 toTrader, uint256 toPool) external returns (bool traderPaid, bool poolPaid);

    /// @notice Pays a claim to where the trader directs it. Reverts where the token refuses.
    function claim(address to, uint256 amount) external;
}
