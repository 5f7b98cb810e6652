// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

interface IPair {
    function flash(address recipient, uint256 amount0, uint256 amount1, bytes calldata data) external;
    function swap(address recipient, bool zeroForOne, int256 amount, uint160 limit, bytes calldata data) external;
    function token0() external view returns (IERC20);
    function token1() external view returns (IERC20);
}

/// @title One who trades with what a Uniswap v3 pool lends for the length of a transaction. Test double.
/// @dev It pays to whoever calls back: nobody else ever holds anything here.
contract FlashTraderMock {
    struct Call {
        address target;
        bytes data;
    }

    /// @notice One call after another; the first refusal is passed on.
    function run(Call[] memory calls) public {
        for (uint256 i; i < calls.length; ++i) {
            Address.functionCall(calls[i].target, calls[i].data);
        }
    }

    /// @notice The same with borrowed tokens, given back with the pool's fee at the end.
    function borrow(IPair lender, uint256 amount0, uint256 amount1, Call[] calldata calls) external {
        lender.flash(address(this), amount0, amount1, abi.encode(amount0, amount1, calls));
    }

    /// @notice A trade in the pool itself; the calls come in its midst, when the price has moved and nothing is paid yet.
    function trade(IPair pair, bool zeroForOne, int256 amount, uint160 limit, Call[] calldata calls) external {
        pair.swap(address(this), zeroForOne, amount, limit, abi.encode(calls));
    }

    function uniswapV3FlashCallback(uint256 fee0, uint256 fee1, bytes calldata data) external {
        (uint256 amount0, uint256 amount1, Call[] memory calls) = abi.decode(data, (uint256, uint256, Call[]));
        run(calls);
        _pay(IPair(msg.sender).token0(), int256(amount0 + fee0));
        _pay(IPair(msg.sender).token1(), int256(amount1 + fee1));
    }

    function uniswapV3SwapCallback(int256 owed0, int256 owed1, bytes calldata data) external {
        run(abi.decode(data, (Call[])));
        _pay(IPair(msg.sender).token0(), owed0);
        _pay(IPair(msg.sender).token1(), owed1);
    }

    function _pay(IERC20 token, int256 amount) private {
        if (amount > 0) require(token.transfer(msg.sender, uint256(amount)), "not paid");
    }
}
