// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "../interfaces/IOracle.sol";
import {Kind, SourceConfig} from "./Source.sol";

/// @notice What the second leg does to the primary's price: ETH/USD over USDC/USD, or stETH/USD times wstETH/stETH.
enum Composition {
    None,
    Divide,
    Multiply
}

/// @notice What an oracle is built from. Rates have 18 decimals, 1e18 = 100 %; times are seconds.
/// @param base what the index is the price of, and `quote` what it is counted in: "ETH", "USDC"
/// @param primary Chainlink, or Pyth with validators: nothing else could tell that its price jumped
/// @param validators an even number of at most four, at most two with a second leg; with none the jump limit is the only check
/// @param leg a Chainlink feed; where there is no composition it is not read
/// @param deviation of the primary and the second leg together
/// @param spread how far a validator may lie from the price that it checks and still agree
/// @param quorum validators that must agree; fewer than all of them, so that no single one can stop a price
/// @param maxAge of `latest`, since the observation
/// @param jumpLimit of a primary alone, and of the second leg: a larger move between neighbouring rounds disputes the later of them
/// @param sequencer uptime feed of an L2, zero where there is none; `grace` counts from its restart
/// @param outageLimit time without a valid price after which the oracle ends
struct OracleSettings {
    bytes32 base;
    bytes32 quote;
    SourceConfig primary;
    SourceConfig[] validators;
    SourceConfig leg;
    Composition composition;
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
using {composed} for Composition global;

/// @dev The primary's price over the second leg's, or times it, rounded down; 0 where the leg has none, or it is out of range.
function composed(Composition composition, uint256 own, uint256 leg) pure returns (uint256 index) {
    // slither-disable-next-line incorrect-equality
    if (leg == 0) return 0;
    index = composition == Composition.Divide ? own * ONE / leg : own * leg / ONE;
    if (index > type(uint128).max) return 0;
}

/// @dev Reverts with the first setting out of its range.
function check(OracleSettings memory s) pure {
    uint256 n = s.validators.length;
    bool hasLeg = s.composition != Composition.None;
    if (s.base == 0) revert IOracle.SettingInvalid("base", 0);
    if (s.quote == 0) revert IOracle.SettingInvalid("quote", 0);
    // The mean of a pool has no first observation after a time: it can be taken at any time.
    if (s.primary.kind == Kind.Uniswap) revert IOracle.CannotBePrimary(uint256(Kind.Uniswap));
    if (hasLeg && s.leg.kind != Kind.Chainlink) revert IOracle.SettingInvalid("leg", uint256(s.leg.kind));
    if (n > (hasLeg ? 2 : 4) || n % 2 == 1 || (n == 0 && s.primary.kind != Kind.Chainlink)) {
        revert IOracle.SettingInvalid("validators", n);
    }
    if (n == 0 ? s.quorum != 0 : s.quorum == 0 || s.quorum >= n) revert IOracle.SettingInvalid("quorum", s.quorum);
    if (s.deviation >= ONE) revert IOracle.SettingInvalid("deviation", s.deviation);
    if (n != 0 && (s.spread == 0 || s.spread >= ONE)) revert IOracle.SettingInvalid("spread", s.spread);
    if ((n == 0 || hasLeg) && (s.jumpLimit == 0 || s.jumpLimit >= ONE)) {
        revert IOracle.SettingInvalid("jumpLimit", s.jumpLimit);
    }
    if (s.maxAge == 0) revert IOracle.SettingInvalid("maxAge", 0);
    if (s.sequencer != address(0) && s.grace == 0) revert IOracle.SettingInvalid("grace", 0);
    if (s.outageLimit <= s.maxAge) revert IOracle.SettingInvalid("outageLimit", s.outageLimit);
}
