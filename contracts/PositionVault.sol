// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IPositionVault} from "./interfaces/IPositionVault.sol";
import {traderOf} from "./libraries/CloneArgument.sol";

/// @title The safe of one position: no storage, two payees.
/// @dev The trader is the clone's argument; market, pool and token are in the code that all clones share.
contract PositionVault is IPositionVault {
    using SafeERC20 for IERC20;

    address private immutable MARKET;
    address private immutable POOL;
    IERC20 private immutable TOKEN;

    constructor(address market, address pool, IERC20 token) {
        (MARKET, POOL, TOKEN) = (market, pool, token);
    }

    modifier onlyMarket() {
        if (msg.sender != MARKET) revert NotMarket(msg.sender);
        _;
    }

    /// @inheritdoc IPositionVault
    function trader() public view returns (address) {
        return traderOf(address(this));
    }

    /// @inheritdoc IPositionVault
    function pay(uint256 toTrader, uint256 toPool) external onlyMarket returns (bool traderPaid, bool poolPaid) {
        // A payee that the token blocks must not block the other one: try, and keep.
        traderPaid = toTrader == 0 || TOKEN.trySafeTransfer(trader(), toTrader);
        poolPaid = toPool == 0 || TOKEN.trySafeTransfer(POOL, toPool);
    }

    /// @inheritdoc IPositionVault
    function claim(address to, uint256 amount) external onlyMarket {
        TOKEN.safeTransfer(to, amount);
    }
}
