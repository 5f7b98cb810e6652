// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What the proofs ask of the symbolic machine.
interface IVm {
    function assume(bool condition) external pure;
    function prank(address sender) external;
    function warp(uint256 time) external;
    function store(address account, bytes32 slot, bytes32 value) external;
    function load(address account, bytes32 slot) external view returns (bytes32);
    function etch(address account, bytes calldata code) external;
}

IVm constant vm = IVm(address(uint160(uint256(keccak256("hevm cheat code")))));
