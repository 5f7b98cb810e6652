// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AttackerMock} from "./AttackerMock.sol";
import {TokenMock} from "./TokenMock.sol";

/// @title A token that calls an attacker before and after every transfer. Test double.
contract CallbackTokenMock is TokenMock {
    AttackerMock private _attacker;

    constructor(uint8 decimals_) TokenMock(decimals_) {}

    /// @notice Zero calls nobody.
    function setAttacker(AttackerMock attacker) external {
        _attacker = attacker;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (address(_attacker) != address(0)) _attacker.onTransfer();
        super._update(from, to, value);
        if (address(_attacker) != address(0)) _attacker.onTransfer();
    }
}
