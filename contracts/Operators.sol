// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IOperators} from "./interfaces/IOperators.sol";

/// @title Who may act for whom: one registry for all markets, without an owner.
contract Operators is IOperators, EIP712 {
    bytes32 public constant GRANT_TYPEHASH = keccak256(
        "Grant(address trader,address market,address operator,uint64 expiry,uint64 actions,uint128 budget,uint256 nonce,uint256 deadline)"
    );

    /// @dev Trader, then market, then operator: a market can only ever touch grants made for it.
    mapping(address trader => mapping(address market => mapping(address operator => Grant))) internal grants;

    /// @inheritdoc IOperators
    mapping(address trader => uint256) public nonces;

    constructor() EIP712("Bulkhead Operators", "1") {}

    /// @inheritdoc IOperators
    function grant(address market, address operator, Grant calldata terms) external {
        _grant(msg.sender, market, operator, terms);
    }

    /// @inheritdoc IOperators
    function grantBySignature(
        address trader,
        address market,
        address operator,
        Grant calldata terms,
        uint256 deadline,
        bytes calldata signature
    ) external {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        uint256 nonce = nonces[trader]++; // before the call to an ERC-1271 trader
        bytes32 digest = _hashTypedDataV4(
            keccak256(
                abi.encode(
                    GRANT_TYPEHASH, trader, market, operator, terms.expiry, terms.actions, terms.budget, nonce, deadline
                )
            )
        );
        if (!SignatureChecker.isValidSignatureNow(trader, digest, signature)) revert SignatureInvalid(trader, nonce);
        _grant(trader, market, operator, terms);
    }

    /// @inheritdoc IOperators
    function revokeNonce() external {
        emit NonceRevoked(msg.sender, nonces[msg.sender]++);
    }

    /// @inheritdoc IOperators
    function spend(address trader, address operator, uint256 action, uint256 amount) external {
        Grant storage g = grants[trader][msg.sender][operator];
        (uint64 expiry, uint64 actions, uint128 budget) = (g.expiry, g.actions, g.budget);
        if (block.timestamp > expiry || (actions >> action) & 1 == 0) {
            revert OutOfScope(trader, operator, action, expiry);
        }
        if (amount == 0 || budget == type(uint128).max) return;
        if (amount > budget) revert BudgetExceeded(operator, amount, budget);
        g.budget = budget - uint128(amount); // cannot overflow: amount <= budget
    }

    /// @inheritdoc IOperators
    function grantOf(address trader, address market, address operator) external view returns (Grant memory) {
        return grants[trader][market][operator];
    }

    /// @notice Of the EIP-712 domain, for whoever signs.
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _grant(address trader, address market, address operator, Grant calldata terms) internal {
        grants[trader][market][operator] = terms;
        emit Granted(trader, market, operator, terms);
    }
}
