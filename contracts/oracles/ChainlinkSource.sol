// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "../interfaces/IOracle.sol";
import {Bounds, Feed, Round, SourceConfig, Walk, read} from "./Source.sol";

/// @title One Chainlink feed behind its proxy, read without ever reverting because of what the feed does.
/// @notice A round's id is its phase << 64 plus its number within the phase. It has two times:
/// - `observed`, when the nodes saw the price (`startedAt` in OCR feeds, never later than `transmitted`). A **primary** goes by it:
///   a price must not have been visible to anybody when the order was bound.
/// - `transmitted`, when it came on chain (`updatedAt`). A **validator** goes by it: what was on chain at a past time can no longer
///   change, while an older observation may still arrive.
/// @dev Relied upon for safety: within a phase `transmitted` never falls (it is the block's time), and a finished round never changes.
library ChainlinkSource {
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
        loadNewest(feed, bounds, r);
    }

    /// @notice The same into a round that the caller has made: to make another at each return would cost users a hundred gas apiece.
    function loadNewest(Feed feed, Bounds bounds, Round memory r) internal view {
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

    /// @notice The same into the round itself.
    function loadPreceding(Feed feed, Bounds bounds, Round memory r) internal view {
        (r.answer, r.index, r.observed, r.transmitted) = (0, 0, 0, 0);
        unchecked {
            _loadRound(r, feed, bounds, r.id - 1);
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
        if (_isSilent(feed, last, time)) last.index = 0;
        shown = true;
    }

    /// @notice The newest round's index; 0 where it is invalid or older than the heartbeat, or of another phase.
    function current(Feed feed, Bounds bounds, uint256 phase_) internal view returns (uint256 index) {
        Round memory last;
        loadNewest(feed, bounds, last);
        if (last.id >> 64 == phase_ && !_isSilent(feed, last, block.timestamp)) index = last.index;
    }

    /// @notice The round before where a walk stands, an empty one where the walk is over.
    function peek(Feed feed, Bounds bounds, Walk memory walk) internal view returns (Round memory before) {
        if (walk.isOver()) return before;
        uint256 gasBefore = gasleft();
        before = preceding(feed, bounds, walk.at);
        walk.gasUsed += gasBefore - gasleft();
    }

    /// @notice Goes on to it.
    function back(Feed feed, Bounds bounds, Walk memory walk) internal view {
        walk.at = peek(feed, bounds, walk);
        ++walk.steps;
    }

    /// @notice The same without a proof, by walking on back to the last round on chain at or before `time`. Its index is 0 where
    /// the walk is over before, where it was invalid or older than the heartbeat, or where another phase is in use now.
    function find(Feed feed, Bounds bounds, Walk memory walk, uint256 phase_, uint256 time)
        internal
        view
        returns (uint256 index)
    {
        if (walk.steps == 0) {
            loadNewest(feed, bounds, walk.at);
            walk.steps = 1;
        }
        while (walk.at.transmitted > time) {
            back(feed, bounds, walk);
        }
        if (walk.at.id >> 64 == phase_ && !_isSilent(feed, walk.at, time)) index = walk.at.index;
    }

    /// @notice Reverts while an L2's sequencer is down, or up for less than a grace. Its uptime feed answers 0 for up, and `startedAt`
    /// says since when; one that does not answer is down.
    function requireUp(address proxy, uint256 grace) internal view {
        (bool ok, uint256[5] memory word) = read(proxy, LATEST, 0, 160);
        uint256 since = word[2];
        if (!ok || word[1] != 0 || since == 0 || since > block.timestamp) revert IOracle.InGrace(type(uint256).max);
        if (block.timestamp - since < grace) revert IOracle.InGrace(since + grace);
    }

    function _isSilent(Feed feed, Round memory last, uint256 time) private pure returns (bool) {
        return last.observed == 0 || time - last.transmitted > feed.heartbeat();
    }

    /// @dev No proof, and why: none can exist yet, or this is not it.
    function _refuse(Feed feed, Bounds bounds, uint256 phase_, uint256 afterTime, uint256 id) private view {
        Round memory last = newest(feed, bounds);
        if (last.id >> 64 == phase_ && last.observed <= afterTime) revert IOracle.PriceNotThereYet(afterTime);
        revert IOracle.ProofInvalid(id, afterTime);
    }

    function _loadRound(Round memory r, Feed feed, Bounds bounds, uint256 id) private view {
        if (uint64(id) != 0 && id <= type(uint80).max) _load(r, feed, bounds, ROUND, id);
    }

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
