// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice As much of forge's cheatcodes as the benchmark uses.
interface Vm {
    function warp(uint256 time) external;
    function prank(address sender) external;
    function load(address target, bytes32 slot) external view returns (uint256 word);
    function envString(string calldata name) external view returns (string memory);
    function toString(uint256 value) external pure returns (string memory);
    function writeLine(string calldata path, string calldata line) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @notice Whom forge calls, and how often: a selector that stands there n times is called n times as often.
struct FuzzSelector {
    address target;
    bytes4[] selectors;
}
