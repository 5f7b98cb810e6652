// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IInstrument, Snapshot} from "../interfaces/IInstrument.sol";
import {IOracle} from "../interfaces/IOracle.sol";

/// @title A test instrument: capped forwards on the index above a strike, several series, one expiry.
/// @notice Series s has strike (s + 1) x 500; its mark is clamp(index - strike, 0, CAP), fixed after expiry.
contract DatedCall is IInstrument {
    uint256 public constant CAP = 1_000e18;
    uint256 public immutable EXPIRY;
    IOracle public immutable ORACLE;
    uint256 public fixing;

    constructor(IOracle oracle, uint256 expiry) {
        (ORACLE, EXPIRY) = (oracle, expiry);
    }

    function fix(uint16 phase, bytes calldata proof) external {
        (fixing,,) = ORACLE.firstAfter(phase, EXPIRY, proof);
    }

    function isOpen(uint24 series, uint256 time) external view returns (bool) {
        return series < 4 && time < EXPIRY;
    }

    function mark(uint24 series, uint256 index, uint256) public view returns (uint256) {
        uint256 strike = (uint256(series) + 1) * 500e18;
        return Math.min(Math.saturatingSub(fixing == 0 ? index : fixing, strike), CAP);
    }

    function cap(uint24) external pure returns (uint256) {
        return CAP;
    }

    function hasCarry() external pure returns (bool) {
        return false;
    }

    function isLinear() external pure returns (bool) {
        return false;
    }

    function premium(Snapshot calldata, int256) external pure returns (uint256) {
        return 0.001e18;
    }

    function carry(Snapshot calldata, uint256, uint256) external pure returns (int256, uint256) {
        return (0, 0);
    }

    function finalMark(uint24 series) external view returns (bool, uint256, uint256) {
        return (fixing != 0, fixing == 0 ? 0 : mark(series, fixing, 0), fixing);
    }
}
