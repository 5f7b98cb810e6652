// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "../interfaces/IOracle.sol";
import {Bounds, Feed, Round, SourceConfig, read} from "./Source.sol";

/// @title One Chainlink feed behind its proxy, read without ever reverting because of what the feed does.
/// @notice A round's id is its phase << 64 plus its number within the phase. It has two times:
/// - `observed`, when the nodes saw the price (`startedAt` in OCR feeds, never later than `transmitted`). A **primary** goes by it:
///   a price must not have been visible to anybody when the order was bound.
/// - `transmitted`, when it came on chain (`updatedAt`). A **validator** goes by it: what was on chain at a past time can no longer
///   change, while an older observation may still arrive.
/// @dev Relied upon for safety: within a phase `transmitted` never falls (it is the block's time), and a finished round never changes.
library ChainlinkSource {
    /// @dev Rounds that a search without a proof looks at.
    uint256 internal constant WALK = 32;

    bytes4 private constant LATEST = 0xfeaf968c; // latestRoundData()
    bytes4 private constant ROUND = 0x9a6fc8f5; // getRoundData(uint80)
    bytes4 private constant PHASE = 0x58303b10; // phaseId()
    bytes4 private constant DECIMALS = 0x313ce567; // decimals()

    uint256 private constant UNSCALED = 1 << 192;

    /// @notice Checks a configuration against the feed and pins it: its decimals are those declared, and it has spoken.
    function pin(SourceConfig memory config) internal view returns (Feed feed, Bounds bounds) {
        (, uint256[5] memory word) = read(config.at, DECIMALS, 0, 32);
        if (word[0] != config.decimals) revert IOracle.DecimalsDiffer(config.at, config.decimals, word[0]);
        if (config.decimals != 8 && config.decimals != 18) revert IOracle.SettingInvalid("decimals", config.decimals);
        if (config.heartbeat == 0) revert IOracle.SettingInvalid("heartbeat", 0);
        uint256 scale = config.decimals == 18 ? 1 : 1e10;
        // An index therefore always fits in 128 bits.
        if (config.largest <= config.smallest || config.largest > type(uint128).max / scale) {
            revert IOracle.SettingInvalid("largest", config.largest);
        }
        feed = Feed.wrap(uint160(config.at) | uint256(config.heartbeat) << 160 | (scale == 1 ? UNSCALED : 0));
        bounds = Bounds.wrap(config.smallest | uint256(config.largest) << 128);
        if (newest(feed, bounds).observed == 0) revert IOracle.SourceSilent(config.at);
    }

    /// @notice The phase in use now; 0 where the proxy does not answer.
    function phase(Feed feed) internal view returns (uint16) {
        (, uint256[5] memory word) = read(feed.at(), PHASE, 0, 32);
        return word[0] > type(uint16).max ? 0 : uint16(word[0]);
    }

    /// @notice The newest round.
    function newest(Feed feed, Bounds bounds) internal view returns (Round memory r) {
        _load(r, feed, bounds, LATEST, 0);
    }

    /// @notice The round of this id; `observed` is 0 where there is none.
    function round(Feed feed, Bounds bounds, uint256 id) internal view returns (Round memory r) {
        _loadRound(r, feed, bounds, id);
    }

    /// @notice The round before, of the same phase.
    function preceding(Feed feed, Bounds bounds, Round memory r) internal view returns (Round memory before) {
        unchecked {
            _loadRound(before, feed, bounds, r.id - 1); // below 0 lies no round
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
        _loadRound(first, feed, bounds, id);
        if (first.observed <= afterTime) _refuse(feed, bounds, phase_, afterTime, id);
        unchecked {
            _loadRound(previous, feed, bounds, id - 1);
        }
        Round memory before = previous;
        while (true) {
            if (before.observed == 0 || before.observed > afterTime) _refuse(feed, bounds, phase_, afterTime, id);
            if (before.transmitted <= afterTime) break;
            before = preceding(feed, bounds, before);
        }
    }

    /// @notice The last round of the phase on chain at or before `time`, proven by its id and the successor; its index is 0 where
    /// it was invalid or older than the heartbeat.
    /// @param id 0 claims that the feed is dead, the phase's first id that it had not spoken by `time`; both are checked
    /// @return shown false where this id proves nothing; the index is 0 then
    function asOf(Feed feed, Bounds bounds, uint256 phase_, uint256 time, uint256 id)
        internal
        view
        returns (bool shown, Round memory last)
    {
        // Dead is what shows neither its newest round nor the phase's first: a proxy just moved to an empty aggregator does not pass.
        if (id == 0 && newest(feed, bounds).observed == 0 && round(feed, bounds, phase_ << 64 | 1).observed == 0) {
            return (true, last);
        }
        if (id >> 64 != phase_) return (false, last);
        _loadRound(last, feed, bounds, id);
        if (last.observed == 0) return (false, last);
        if (last.transmitted > time) {
            last.index = 0;
            return (uint64(id) == 1, last);
        }
        Round memory next = round(feed, bounds, id + 1);
        // In the second of `time` itself a successor may still come.
        if (next.observed == 0 ? time >= block.timestamp : next.transmitted <= time) {
            last.index = 0;
            return (false, last);
        }
        _expire(feed, last, time);
        shown = true;
    }

    /// @notice The same without a proof, by walking back from the newest round; an empty one where that takes too long.
    function findAsOf(Feed feed, Bounds bounds, uint256 phase_, uint256 time)
        internal
        view
        returns (Round memory none)
    {
        Round memory last = newest(feed, bounds);
        if (last.id >> 64 != phase_) return none;
        for (uint256 i; i < WALK && last.observed != 0; ++i) {
            if (last.transmitted <= time) {
                _expire(feed, last, time);
                return last;
            }
            last = preceding(feed, bounds, last);
        }
    }

    /// @notice The newest round; its index is 0 where it is invalid or older than the heartbeat.
    function current(Feed feed, Bounds bounds) internal view returns (Round memory last) {
        _load(last, feed, bounds, LATEST, 0);
        _expire(feed, last, block.timestamp);
    }

    /// @notice Of an L2's uptime feed: is the sequencer up, and since when; a feed that does not answer is down.
    function uptime(address proxy) internal view returns (bool up, uint256 since) {
        (bool ok, uint256[5] memory word) = read(proxy, LATEST, 0, 160);
        since = word[2];
        up = ok && word[1] == 0 && since != 0 && since <= block.timestamp;
    }

    function _expire(Feed feed, Round memory last, uint256 time) private pure {
        if (last.observed == 0 || time - last.transmitted > feed.heartbeat()) last.index = 0;
    }

    /// @dev No proof, and why: none can exist yet, or this is not it.
    function _refuse(Feed feed, Bounds bounds, uint256 phase_, uint256 afterTime, uint256 id) private view {
        Round memory last = newest(feed, bounds);
        if (last.id >> 64 == phase_ && last.observed <= afterTime) revert IOracle.PriceNotThereYet(afterTime);
        revert IOracle.ProofInvalid(id, afterTime);
    }

    function _loadRound(Round memory r, Feed feed, Bounds bounds, uint256 id) private view {
        r.id = id;
        if (uint64(id) != 0 && id <= type(uint80).max) _load(r, feed, bounds, ROUND, id);
    }

    /// @dev Into a round that the caller has made: to make another at each return would cost users a hundred gas apiece.
    function _load(Round memory r, Feed feed, Bounds bounds, bytes4 selector, uint256 id) private view {
        (bool ok, uint256[5] memory word) = read(feed.at(), selector, id, 160);
        r.id = selector == LATEST ? word[0] : id;
        // A time to come is no time: such a round counts once it is due.
        if (!ok || word[3] > block.timestamp || r.id > type(uint80).max) return;
        r.transmitted = word[3];
        r.observed = word[2] < word[3] ? word[2] : word[3];
        int256 answer = r.answer = int256(word[1]);
        uint256 range = Bounds.unwrap(bounds);
        if (answer > int256(uint256(uint128(range))) && answer < int256(range >> 128)) {
            r.index = uint256(answer) * (Feed.unwrap(feed) & UNSCALED != 0 ? 1 : 1e10);
        }
    }
}
