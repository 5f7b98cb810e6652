// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "../interfaces/IOracle.sol";

/// @dev A feed in two words, so that an oracle holds it in immutables and pays for no contract between: in `Feed` the
/// proxy (160 bits), the heartbeat (32) and whether an answer has 18 decimals rather than 8 (1); in `Bounds` the
/// smallest (low 128 bits) and largest answer of the feed.
type Feed is uint256;
type Bounds is uint256;

/// @title One Chainlink feed behind its proxy, read without ever reverting because of what the feed does.
/// @notice A round's id is its phase << 64 plus its number within the phase. It has two times:
/// - `observed`, when the nodes saw the price (`startedAt` in OCR feeds, never later than `transmitted`). A **primary** goes by it:
///   a price must not have been visible to anybody when the order was bound.
/// - `transmitted`, when it came on chain (`updatedAt`). A **validator** goes by it: what was on chain at a past time can no longer
///   change, while an older observation may still arrive.
/// @dev Relied upon for safety: within a phase `transmitted` never falls (it is the block's time), and a finished round never changes.
library ChainlinkSource {
    /// @param minAnswer at or below it an answer is invalid; the aggregator's own minAnswer, at least 0
    /// @param maxAnswer at or above it an answer is invalid
    struct Config {
        address proxy;
        uint32 heartbeat;
        uint128 minAnswer;
        uint128 maxAnswer;
    }

    /// @param index the answer with 18 decimals; 0 where the answer is invalid
    /// @param observed 0 where the round does not exist
    struct Round {
        uint256 id;
        int256 answer;
        uint256 index;
        uint256 observed;
        uint256 transmitted;
    }

    /// @dev More than any feed needs. A caller cannot starve a feed into silence: all but 1/64 of the gas goes along, and
    /// what would be left of it could not finish the call.
    uint256 private constant FEED_GAS = 200_000;
    /// @dev Rounds that a search without a proof looks at.
    uint256 internal constant WALK = 32;

    bytes4 private constant LATEST = 0xfeaf968c; // latestRoundData()
    bytes4 private constant ROUND = 0x9a6fc8f5; // getRoundData(uint80)
    bytes4 private constant PHASE = 0x58303b10; // phaseId()
    bytes4 private constant DECIMALS = 0x313ce567; // decimals()

    /// @notice Checks a configuration against the feed and pins its decimals.
    function pin(Config memory config) internal view returns (Feed, Bounds) {
        (bool ok, uint256[5] memory word) = _read(config.proxy, DECIMALS, 0, 32);
        if (!ok || (word[0] != 8 && word[0] != 18)) revert IOracle.SettingInvalid("decimals", word[0]);
        if (config.heartbeat == 0) revert IOracle.SettingInvalid("heartbeat", 0);
        uint256 scale = word[0] == 18 ? 1 : 1e10;
        // An index therefore always fits in 128 bits.
        if (config.maxAnswer <= config.minAnswer || config.maxAnswer > type(uint128).max / scale) {
            revert IOracle.SettingInvalid("maxAnswer", config.maxAnswer);
        }
        return (
            Feed.wrap(uint160(config.proxy) | uint256(config.heartbeat) << 160 | (scale == 1 ? 1 << 192 : 0)),
            Bounds.wrap(config.minAnswer | uint256(config.maxAnswer) << 128)
        );
    }

    function heartbeat(Feed feed) internal pure returns (uint256) {
        return uint32(Feed.unwrap(feed) >> 160);
    }

    /// @notice The phase in use now; 0 where the proxy does not answer.
    function phase(Feed feed) internal view returns (uint16) {
        (, uint256[5] memory word) = _read(address(uint160(Feed.unwrap(feed))), PHASE, 0, 32);
        return word[0] > type(uint16).max ? 0 : uint16(word[0]);
    }

    /// @notice The newest round.
    function newest(Feed feed, Bounds bounds) internal view returns (Round memory) {
        return _round(feed, bounds, LATEST, 0);
    }

    /// @notice The round of this id; `observed` is 0 where there is none.
    function round(Feed feed, Bounds bounds, uint256 id) internal view returns (Round memory none) {
        none.id = id;
        return uint64(id) == 0 || id > type(uint80).max ? none : _round(feed, bounds, ROUND, id);
    }

    /// @notice The round before, of the same phase.
    function preceding(Feed feed, Bounds bounds, Round memory r) internal view returns (Round memory) {
        unchecked {
            return round(feed, bounds, r.id - 1); // below 0 lies no round
        }
    }

    /// @notice The first round of the phase observed after `afterTime`, which `id` must be, and its predecessor.
    /// @dev The round before must exist, so the first of a phase proves nothing. Rounds are not in order of observation where
    /// clocks differ; hence back to one that was on chain by `afterTime` each must have been observed by then: at most one id passes.
    function firstAfter(Feed feed, Bounds bounds, uint256 phase_, uint256 afterTime, uint256 id)
        internal
        view
        returns (Round memory first, Round memory previous)
    {
        if (id >> 64 != phase_) _refuse(feed, bounds, phase_, afterTime, id);
        first = round(feed, bounds, id);
        if (first.observed <= afterTime) _refuse(feed, bounds, phase_, afterTime, id);
        previous = preceding(feed, bounds, first);
        Round memory before = previous;
        while (true) {
            if (before.observed == 0 || before.observed > afterTime) _refuse(feed, bounds, phase_, afterTime, id);
            if (before.transmitted <= afterTime) break;
            before = preceding(feed, bounds, before);
        }
    }

    /// @notice The last index of the phase on chain at or before `time`, proven by its round and the successor; 0 where it was
    /// invalid or older than the heartbeat.
    /// @param id 0 claims that the feed is dead, the phase's first id that it had not spoken by `time`; both are checked
    function asOf(Feed feed, Bounds bounds, uint256 phase_, uint256 time, uint256 id) internal view returns (uint256) {
        // Dead is what shows neither its newest round nor the phase's first: a proxy just moved to an empty aggregator does not pass.
        if (id == 0 && newest(feed, bounds).observed == 0 && round(feed, bounds, phase_ << 64 | 1).observed == 0) {
            return 0;
        }
        if (id >> 64 != phase_) revert IOracle.ProofInvalid(id, time);
        Round memory last = round(feed, bounds, id);
        if (last.observed == 0) revert IOracle.ProofInvalid(id, time);
        if (last.transmitted > time) {
            if (uint64(id) != 1) revert IOracle.ProofInvalid(id, time);
            return 0;
        }
        Round memory next = round(feed, bounds, id + 1);
        // In the second of `time` itself a successor may still come.
        if (next.observed == 0 ? time >= block.timestamp : next.transmitted <= time) {
            revert IOracle.ProofInvalid(id, time);
        }
        return _alive(feed, last, time);
    }

    /// @notice The same without a proof, by walking back from the newest round; 0 where that takes too long.
    function findAsOf(Feed feed, Bounds bounds, uint256 phase_, uint256 time) internal view returns (uint256) {
        Round memory last = newest(feed, bounds);
        if (last.id >> 64 != phase_) return 0;
        for (uint256 i; i < WALK && last.observed != 0; ++i) {
            if (last.transmitted <= time) return _alive(feed, last, time);
            last = preceding(feed, bounds, last);
        }
        return 0;
    }

    /// @notice The index now on chain; 0 where it is invalid or older than the heartbeat.
    function current(Feed feed, Bounds bounds) internal view returns (uint256) {
        return _alive(feed, newest(feed, bounds), block.timestamp);
    }

    /// @notice Of an L2's uptime feed: is the sequencer up, and since when; a feed that does not answer is down.
    function uptime(address proxy) internal view returns (bool up, uint256 since) {
        (bool ok, uint256[5] memory word) = _read(proxy, LATEST, 0, 160);
        since = word[2];
        up = ok && word[1] == 0 && since != 0 && since <= block.timestamp;
    }

    function _alive(Feed feed, Round memory last, uint256 time) private pure returns (uint256) {
        return last.observed != 0 && time - last.transmitted <= heartbeat(feed) ? last.index : 0;
    }

    /// @dev No proof, and why: none can exist yet, or this is not it.
    function _refuse(Feed feed, Bounds bounds, uint256 phase_, uint256 afterTime, uint256 id) private view {
        Round memory last = newest(feed, bounds);
        if (last.id >> 64 == phase_ && last.observed <= afterTime) revert IOracle.PriceNotThereYet(afterTime);
        revert IOracle.ProofInvalid(id, afterTime);
    }

    function _round(Feed feed, Bounds bounds, bytes4 selector, uint256 id) private view returns (Round memory r) {
        (bool ok, uint256[5] memory word) = _read(address(uint160(Feed.unwrap(feed))), selector, id, 160);
        r.id = selector == LATEST ? word[0] : id;
        // A time to come is no time: such a round counts once it is due.
        if (!ok || word[3] > block.timestamp || r.id > type(uint80).max) return r;
        r.transmitted = word[3];
        r.observed = word[2] < word[3] ? word[2] : word[3];
        int256 answer = r.answer = int256(word[1]);
        uint256 range = Bounds.unwrap(bounds);
        if (answer > int256(uint256(uint128(range))) && answer < int256(range >> 128)) {
            r.index = uint256(answer) * (Feed.unwrap(feed) >> 192 == 1 ? 1 : 1e10);
        }
    }

    /// @dev A call whose result is copied up to 160 bytes only; `ok` needs `size` of them.
    function _read(address proxy, bytes4 selector, uint256 argument, uint256 size)
        private
        view
        returns (bool ok, uint256[5] memory word)
    {
        assembly ("memory-safe") {
            mstore(0x00, selector)
            mstore(0x04, argument)
            ok := staticcall(FEED_GAS, proxy, 0x00, 0x24, word, 160)
            if or(iszero(ok), lt(returndatasize(), size)) {
                ok := 0
                calldatacopy(word, calldatasize(), 160)
            }
        }
    }
}
