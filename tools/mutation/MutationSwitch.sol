// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Says which mutant is switched on: the one whose number the block's randomness holds.
/// @dev Above 2 ** 32 the randomness asks for a record instead: it is the number of a run, and every mutant that is met leaves a
/// mark in the engine, by a question for the balance of an address that stands for run and mutant. None has any.
library MutationSwitch {
    uint256 private constant BASE = 0x004d75746174696f6e000000000000000000000000;

    function on(uint256 mutant) internal view returns (bool chosen) {
        assembly ("memory-safe") {
            let asked := prevrandao()
            switch shr(32, asked)
            case 0 { chosen := eq(asked, mutant) }
            default { chosen := balance(add(BASE, or(asked, mutant))) }
        }
    }
}
