// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "../interfaces/IOracle.sol";
import {ChainlinkSource} from "./ChainlinkSource.sol";

/// @notice What an oracle is built from. Rates have 18 decimals, 1e18 = 100 %; times are seconds.
/// @param validators an even number of at most four; with none the jump limit is the only check
/// @param deviation of the primary
/// @param spread how far a validator may lie from the primary and still agree
/// @param quorum validators that must agree; fewer than all of them, so that no single one can stop a price
/// @param maxAge of `latest`, since the observation
/// @param jumpLimit of a primary alone: a larger move between neighbouring rounds disputes the later of them
/// @param sequencer uptime feed of an L2, zero where there is none; `grace` counts from its restart
/// @param outageLimit time without a valid price after which the oracle ends
struct OracleSettings {
    ChainlinkSource.Config primary;
    ChainlinkSource.Config[] validators;
    uint256 deviation;
    uint256 spread;
    uint256 quorum;
    uint256 maxAge;
    uint256 jumpLimit;
    address sequencer;
    uint256 grace;
    uint256 outageLimit;
}

uint256 constant ONE = 1e18;

using {check} for OracleSettings global;

/// @dev Reverts with the first setting out of its range.
function check(OracleSettings memory s) pure {
    uint256 n = s.validators.length;
    if (n > 4 || n % 2 == 1) revert IOracle.SettingInvalid("validators", n);
    if (n == 0 ? s.quorum != 0 : s.quorum == 0 || s.quorum >= n) revert IOracle.SettingInvalid("quorum", s.quorum);
    if (s.deviation >= ONE) revert IOracle.SettingInvalid("deviation", s.deviation);
    if (n != 0 && (s.spread == 0 || s.spread >= ONE)) revert IOracle.SettingInvalid("spread", s.spread);
    if (n == 0 && (s.jumpLimit == 0 || s.jumpLimit >= ONE)) revert IOracle.SettingInvalid("jumpLimit", s.jumpLimit);
    if (s.maxAge == 0) revert IOracle.SettingInvalid("maxAge", 0);
    if (s.sequencer != address(0) && s.grace == 0) revert IOracle.SettingInvalid("grace", 0);
    if (s.outageLimit <= s.maxAge) revert IOracle.SettingInvalid("outageLimit", s.outageLimit);
}
