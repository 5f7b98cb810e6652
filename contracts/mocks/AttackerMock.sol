// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title One who does several things in one transaction, also from within the transfers of others. Test double.
contract AttackerMock {
    struct Call {
        address target;
        bytes data;
    }

    Call[] private _plan;
    bool private _inside;

    event Entered(uint256 call);

    /// @notice One call after another; the first refusal is passed on.
    function run(Call[] calldata calls) external {
        for (uint256 i; i < calls.length; ++i) {
            Address.functionCall(calls[i].target, calls[i].data);
        }
    }

    /// @notice What `onTransfer` tries from now on.
    function plan(Call[] calldata calls) external {
        delete _plan;
        for (uint256 i; i < calls.length; ++i) {
            _plan.push(calls[i]);
        }
    }

    /// @notice Tries each call of the plan, tells which were let in, and undoes nothing.
    function onTransfer() external {
        if (_inside) return;
        _inside = true;
        for (uint256 i; i < _plan.length; ++i) {
            // What it answers does not matter, only whether it is let in.
            (bool done,) = _plan[i].target.call(_plan[i].data);
            if (done) emit Entered(i);
        }
        _inside = false;
    }
}
