// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice The trader whose vault this is: the 20 bytes that OpenZeppelin's Clones put behind the 45 of a minimal clone.
/// @dev Clones.fetchCloneArgs, which allots memory for arguments of any length, costs each caller 400 gas more.
function traderOf(address vault) view returns (address trader) {
    assembly ("memory-safe") {
        mstore(0x00, 0)
        extcodecopy(vault, 0x0c, 0x2d, 0x14)
        trader := mload(0x00)
    }
}
