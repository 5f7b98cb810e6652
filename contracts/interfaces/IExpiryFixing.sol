// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "./IOracle.sol";

/// @notice One sample of a fixing.
/// @param time after which the oracle's first price counts
/// @param phase that it is proven with; 0 where it was bound too late
/// @param proven is it counted?
struct Sample {
    uint256 time;
    uint16 phase;
    bool proven;
}

/// @title Settlement prices: the mean of first prices after fixed times in the half hour before an expiry.
/// @notice Shared by all strikes and all families on the same oracle.
interface IExpiryFixing {
    /// @notice A parameter of the constructor is out of its range.
    error ParameterInvalid(string name, uint256 value);
    /// @notice No sample lies ahead.
    error NothingToBind(uint256 expiry);
    /// @notice There are fewer samples than proofs.
    error TooManyProofs(uint256 proofs, uint256 samples);
    /// @notice The time to prove samples is over.
    error SamplesExpired(uint256 expiry, uint256 until);
    /// @notice Samples may still be proven.
    error SamplesNotExpired(uint256 expiry, uint256 until);
    /// @notice The settlement price is known.
    error AlreadyFixed(uint256 expiry);

    /// @notice The samples from `from` on are proven with this phase of the oracle's primary.
    event Bound(uint256 indexed expiry, uint256 from, uint16 phase);
    /// @notice A sample counts with `index`; 0 where the price was disputed or invalid, and nothing counts.
    event Sampled(uint256 indexed expiry, uint256 sample, uint256 index);
    /// @notice Samples that nobody proved, or could prove, are taken again from `start` on.
    event Renewed(uint256 indexed expiry, uint256 start);
    /// @notice The settlement price is known, once and for good.
    event Fixed(uint256 indexed expiry, uint256 index);

    /// @notice Binds the oracle's present phase to the samples that still lie ahead. Anyone may call it, at any time before.
    function bind(uint256 expiry) external;

    /// @notice Proves samples: the oracle's first price after the time of each. Anyone may call it, in any order, several at once.
    /// @dev Reverts where the oracle refuses a proof.
    /// @param proofs one for each sample from the first on, as the oracle's `firstAfter` takes it; empty to leave one out
    function prove(uint256 expiry, bytes[] calldata proofs) external;

    /// @notice After the time to prove: what all but one sample say is the price; with fewer, the others are taken anew. Anyone may
    /// call it.
    function resolve(uint256 expiry) external;

    /// @notice The settlement price, 18 decimals, once known.
    function fixingOf(uint256 expiry) external view returns (bool known, uint256 index);

    /// @notice Every sample of an expiry, and until when they may be proven.
    function samplesOf(uint256 expiry) external view returns (Sample[] memory samples, uint256 until);

    /// @notice Whose prices they are.
    function ORACLE() external view returns (IOracle);

    /// @notice Seconds before an expiry in which they are taken.
    function WINDOW() external view returns (uint256);
}
