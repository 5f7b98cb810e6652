// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "../interfaces/IOracle.sol";

/// @notice What is asked of a Chainlink proxy.
interface IRounds {
    function phaseId() external view returns (uint16);
    function getRoundData(uint80 id) external view returns (uint80, int256, uint256, uint256, uint80);
}

/// @notice What an oracle of Chainlink feeds tells beyond IOracle.
interface IFeedPhases {
    function validators() external view returns (uint256);
    function phasesAt(uint256 time) external view returns (uint64);
}

/// @title Finds the proof of a first price on chain, as a keeper does off chain: far too dear for a transaction, fine for a call.
library FirstRound {
    /// @dev Numbers of rounds within a phase stay far below.
    uint256 private constant MOST_ROUNDS = 1 << 32;
    /// @dev Where an oracle keeps the phase of its second leg, behind those of validators.
    uint256 private constant LEG = 3;

    /// @notice The proof that IOracle.firstAfter takes, empty before there is such a round. With a wrong feed it is wrong, or this
    /// reverts where that is no feed at all.
    /// @param feeds the primary's proxy, the validators', the second leg's
    function proof(IOracle oracle, address[] memory feeds, uint16 phase, uint256 afterTime)
        internal
        view
        returns (bytes memory)
    {
        // Rounds come on chain in their order, but clocks differ: what was seen later comes on chain later.
        uint256 number = _transmittedBy(feeds[0], phase, afterTime) + 1;
        (uint256 observed, uint256 transmitted) = _round(feeds[0], phase, number);
        while (transmitted != 0 && observed <= afterTime) {
            (observed, transmitted) = _round(feeds[0], phase, ++number);
        }
        if (transmitted == 0) return "";
        uint80 first = uint80(uint256(phase) << 64 | number);
        if (feeds.length == 1) return abi.encode(first);
        return abi.encode(first, _others(IFeedPhases(address(oracle)), feeds, observed));
    }

    /// @dev Of each other feed its last round on chain by a time; its phase's first if all came later; 0 if there is none at all.
    function _others(IFeedPhases oracle, address[] memory feeds, uint256 time)
        private
        view
        returns (uint80[] memory rounds)
    {
        uint256 validators = oracle.validators();
        uint256 known = oracle.phasesAt(time);
        rounds = new uint80[](feeds.length - 1);
        for (uint256 i; i < rounds.length; ++i) {
            uint16 phase = uint16(known >> 16 * (i < validators ? i : LEG));
            uint256 number = _transmittedBy(feeds[i + 1], phase, time);
            if (number == 0) number = 1;
            (, uint256 transmitted) = _round(feeds[i + 1], phase, number);
            if (transmitted != 0) rounds[i] = uint80(uint256(phase) << 64 | number);
        }
    }

    /// @dev How many rounds of a phase were on chain by a time, by halving.
    function _transmittedBy(address feed, uint16 phase, uint256 time) private view returns (uint256 low) {
        uint256 high = MOST_ROUNDS;
        while (low + 1 < high) {
            uint256 middle = (low + high) / 2;
            (, uint256 transmitted) = _round(feed, phase, middle);
            if (transmitted != 0 && transmitted <= time) low = middle;
            else high = middle;
        }
    }

    /// @dev Both times are 0 where there is no such round.
    function _round(address feed, uint16 phase, uint256 number)
        private
        view
        returns (uint256 observed, uint256 transmitted)
    {
        // slither-disable-next-line unused-return
        try IRounds(feed).getRoundData(uint80(uint256(phase) << 64 | number)) returns (
            uint80, int256, uint256 startedAt, uint256 updatedAt, uint80
        ) {
            return (startedAt < updatedAt ? startedAt : updatedAt, updatedAt);
        } catch {}
    }
}
