// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Who may act for whom.
interface IOperators {
    /// @notice What an operator may do and spend. One word.
    /// @param expiry last second of the authorisation
    /// @param actions bit set over the actions of a market
    /// @param budget what is left of the spend cap, token units; type(uint128).max is no cap
    struct Grant {
        uint64 expiry;
        uint64 actions;
        uint128 budget;
    }

    /// @notice The operator has no grant for this action now.
    error OutOfScope(address trader, address operator, uint256 action, uint256 expiry);
    /// @notice The spend is more than what is left of the cap.
    error BudgetExceeded(address operator, uint256 amount, uint256 budget);
    /// @notice The signature's deadline is over.
    error SignatureExpired(uint256 deadline);
    /// @notice Not signed by the trader, or the nonce is used.
    error SignatureInvalid(address trader, uint256 nonce);

    /// @notice A grant was set, replaced or revoked.
    event Granted(address indexed trader, address indexed market, address indexed operator, Grant grant);
    /// @notice No signature with this nonce or an earlier one is good any more.
    event NonceRevoked(address indexed trader, uint256 nonce);

    /// @notice Sets, replaces or (with expiry 0) revokes a grant of the caller.
    function grant(address market, address operator, Grant calldata terms) external;

    /// @notice The same by an EIP-712 signature of the trader, an ERC-1271 one included.
    function grantBySignature(
        address trader,
        address market,
        address operator,
        Grant calldata terms,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Uses up the signature of the caller's next nonce.
    function revokeNonce() external;

    /// @notice Called by a market: checks the scope and takes `amount` from the budget of the grant for that market.
    /// @dev The caller is the market: whoever else calls meets only grants made for itself.
    /// @param action number of the bit in `actions`; from 64 on none is ever granted
    function spend(address trader, address operator, uint256 action, uint256 amount) external;

    /// @notice What an operator may do for a trader in a market; all zero where nothing was ever granted.
    function grantOf(address trader, address market, address operator) external view returns (Grant memory);

    /// @notice The nonce that the trader's next signature must bear.
    function nonces(address trader) external view returns (uint256);
}
