// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Marks an outcome as taken, in a way that no revert undoes and that a view may use.
/// @notice It asks for the balance of an address that stands for the outcome: the engine loads that account into its database, and
/// accounts stay there. The balance is zero, but it is used, so that the compiler cannot leave the question out.
library CoverageProbe {
    uint160 private constant BASE = 0x00C07E4a6E00000000000000000000000000000000;

    /// @notice This line was reached.
    function reached(uint256 outcome) internal view {
        if (address(uint160(BASE + outcome)).balance != 0) revert();
    }

    /// @notice Gives the condition back; its false is `outcome`, its true the next one.
    function decided(uint256 outcome, bool condition) internal view returns (bool) {
        uint256 taken = condition ? outcome + 1 : outcome;
        return condition != (address(uint160(BASE + taken)).balance != 0);
    }
}
