// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title A keeper's work in one transaction: prove prices, update feeds, execute orders.
/// @notice It can do what anybody can do, and holds nothing between steps: never approve it, never make it an operator, never send
/// it anything. Anybody can have made it approve anybody. A step that fails undoes itself only; the others go on.
contract Upkeep is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @param value native value that goes along: for `Oracle.prove` exactly Pyth's fee
    struct Step {
        address target;
        uint256 value;
        bytes data;
    }

    /// @param answer what the step returned, or why it failed
    struct Result {
        bool done;
        bytes answer;
    }

    /// @notice A step was refused, by its place in the list.
    event StepFailed(uint256 indexed step, bytes reason);

    /// @notice Runs the steps in their order, and after each hands on what is here of the tokens; at last what is left of the native
    /// value that came with the call. What others have forced in before stays: who takes no native value could not work otherwise.
    /// @param tokens in which keepers are paid: the collaterals of the markets among the targets
    function run(Step[] calldata steps, IERC20[] calldata tokens)
        external
        payable
        nonReentrant
        returns (Result[] memory results)
    {
        uint256 forced = address(this).balance - msg.value;
        results = new Result[](steps.length);
        for (uint256 i; i < steps.length; ++i) {
            Step calldata step = steps[i];
            // Whatever a target does to the transaction, its caller has chosen it, and nothing of others is here.
            // slither-disable-next-line arbitrary-send-eth,calls-loop
            (bool done, bytes memory answer) = step.target.call{value: step.value}(step.data);
            if (!done) emit StepFailed(i, answer);
            results[i] = Result(done, answer);
            _handOn(tokens);
        }
        uint256 rest = address(this).balance;
        if (rest > forced) Address.sendValue(payable(msg.sender), rest - forced);
    }

    /// @dev Before another target is called, who may have been approved to take it.
    function _handOn(IERC20[] calldata tokens) private {
        for (uint256 i; i < tokens.length; ++i) {
            // slither-disable-next-line calls-loop
            uint256 pay = tokens[i].balanceOf(address(this));
            if (pay != 0) tokens[i].safeTransfer(msg.sender, pay);
        }
    }
}
