// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "../interfaces/IOracle.sol";
import {Bounds, ChainlinkSource, Feed} from "./ChainlinkSource.sol";
import {ONE, OracleSettings} from "./OracleSettings.sol";

/// @title A primary Chainlink feed, up to four validators, and the clock of an outage.
/// @dev Nothing can be changed by anybody. Feeds are immutables: a contract of their own would cost each user 3,300 gas.
contract Oracle is IOracle {
    using ChainlinkSource for Feed;

    /// @dev One word. `phases` holds 16 bits per validator, used after `since`, and `before` those used until then.
    struct Clock {
        uint40 started;
        uint40 seen;
        bool ended;
        uint40 since;
        uint64 phases;
        uint64 before;
    }

    struct Price {
        uint128 index;
        uint64 time;
    }

    /// @dev Longer than any request lives, so that the phases of its time are still known.
    uint256 internal constant PHASE_LIFE = 1 days;

    uint256 public immutable override heartbeat;
    uint256 public immutable override deviation;
    uint256 public immutable spread;
    uint256 public immutable quorum;
    uint256 public immutable maxAge;
    uint256 public immutable jumpLimit;
    address public immutable sequencer;
    uint256 public immutable grace;
    uint256 public immutable outageLimit;
    uint256 public immutable validators;

    Feed internal immutable primary;
    Bounds internal immutable primaryBounds;
    Feed internal immutable feed0;
    Feed internal immutable feed1;
    Feed internal immutable feed2;
    Feed internal immutable feed3;
    Bounds internal immutable bounds0;
    Bounds internal immutable bounds1;
    Bounds internal immutable bounds2;
    Bounds internal immutable bounds3;

    Clock public clock;
    /// @notice Where the market would end: the last undisputed price at the clock's start, while none runs the last one recorded.
    Price public last;

    constructor(OracleSettings memory s) {
        s.check();
        (heartbeat, deviation, spread, quorum, maxAge) =
        (s.primary.heartbeat, s.deviation, s.spread, s.quorum, s.maxAge);
        (jumpLimit, sequencer, grace, outageLimit) = (s.jumpLimit, s.sequencer, s.grace, s.outageLimit);
        uint256 n = validators = s.validators.length;

        (primary, primaryBounds) = ChainlinkSource.pin(s.primary);
        Feed[4] memory feeds;
        Bounds[4] memory bounds;
        for (uint256 i; i < n; ++i) {
            (feeds[i], bounds[i]) = ChainlinkSource.pin(s.validators[i]);
        }
        (feed0, feed1, feed2, feed3) = (feeds[0], feeds[1], feeds[2], feeds[3]);
        (bounds0, bounds1, bounds2, bounds3) = (bounds[0], bounds[1], bounds[2], bounds[3]);

        uint64 phases = _phases();
        Clock memory c = Clock(0, 0, false, uint40(block.timestamp), phases, phases);
        clock = c;
        if (!_record(c)) revert PriceInvalid(primary.newest(primaryBounds).answer); // an end always has a price
    }

    /// @inheritdoc IOracle
    function commitment() external view returns (uint16 phase) {
        _requireLive();
        _requireSequencer();
        phase = primary.phase();
        if (phase == 0) revert PriceStale(0, maxAge);
    }

    /// @inheritdoc IOracle
    function firstAfter(uint16 phase, uint256 afterTime, bytes calldata proof)
        external
        view
        returns (uint256 index, uint256 time, bool undisputed)
    {
        Clock memory c = _requireLive();
        (ChainlinkSource.Round memory first, ChainlinkSource.Round memory previous) =
            primary.firstAfter(primaryBounds, phase, afterTime, _word(proof, 0));
        (index, time) = (first.index, first.observed);
        if (index == 0) return (0, time, false);
        if (validators == 0) return (index, time, _near(index, previous.index, jumpLimit));
        // A fact once the quorum agrees: what the rest would say need not be shown.
        uint256 phases = _phasesAt(c, time);
        uint256 agreeing;
        for (uint256 i; i < validators && agreeing < quorum; ++i) {
            (Feed feed, Bounds bounds) = _validator(i);
            uint256 value = feed.asOf(bounds, uint16(phases >> 16 * i), time, _word(proof, 3 + i));
            if (_near(value, index, spread)) ++agreeing;
        }
        undisputed = agreeing >= quorum;
    }

    /// @inheritdoc IOracle
    function latest() external view returns (uint256 index, uint256 time) {
        _requireLive();
        _requireSequencer();
        ChainlinkSource.Round memory r = primary.newest(primaryBounds);
        (index, time) = (r.index, r.observed);
        if (block.timestamp - time > maxAge) revert PriceStale(time, maxAge);
        if (index == 0) revert PriceInvalid(r.answer);
        if (validators == 0) {
            uint256 previous = primary.preceding(primaryBounds, r).index;
            if (!_near(index, previous, jumpLimit)) revert PriceJumped(index, previous);
            return (index, time);
        }
        uint256 agreeing;
        for (uint256 i; i < validators && agreeing < quorum; ++i) {
            (Feed feed, Bounds bounds) = _validator(i);
            if (_near(feed.current(bounds), index, spread)) ++agreeing;
        }
        if (agreeing < quorum) revert PriceDisputed(index, agreeing, quorum);
    }

    /// @inheritdoc IOracle
    function checkOutage() external returns (bool ended) {
        Clock memory c = clock;
        if (c.ended) return true;
        uint40 now_ = uint40(block.timestamp);
        uint64 phases = _phases();
        if (phases != c.phases && now_ - c.since > PHASE_LIFE) {
            (c.before, c.phases, c.since) = (c.phases, phases, now_);
        }
        // From outside, so that whatever a feed does is only a missing price.
        try this.latest() returns (uint256 index, uint256 time) {
            if (c.started != 0 && time > c.started) {
                c.started = 0;
                emit OutageCleared(now_);
            }
            // Zero is the mark of a clock that stands still, not a time to be hit.
            // slither-disable-next-line incorrect-equality
            if (c.started == 0) last = Price(uint128(index), uint64(time));
        } catch {
            // Silence since the start proves itself. A primary that has spoken may have been good in between, so that
            // without a witness every eighth of the limit the clock starts anew.
            if (c.started != 0 && (_silentSince(c.started) || now_ - c.seen <= outageLimit / 8)) {
                c.ended = now_ - c.started >= outageLimit;
                if (c.ended) emit Ended(last.index, now_);
            } else {
                c.started = now_;
                _record(c);
                emit OutageStarted(now_);
            }
            c.seen = now_;
        }
        clock = c;
        return c.ended;
    }

    /// @inheritdoc IOracle
    function finalPrice() external view returns (bool ended, uint256 index, uint256 time) {
        if (clock.ended) return (true, last.index, last.time);
    }

    /// @dev Stores the last undisputed price that a bounded walk finds; without one the price recorded before stays.
    function _record(Clock memory c) internal returns (bool found) {
        ChainlinkSource.Round memory r = primary.newest(primaryBounds);
        for (uint256 i; i < ChainlinkSource.WALK && r.observed != 0; ++i) {
            ChainlinkSource.Round memory previous = primary.preceding(primaryBounds, r);
            if (r.index != 0 && _undisputed(c, r, previous)) {
                last = Price(uint128(r.index), uint64(r.observed));
                return true;
            }
            r = previous;
        }
    }

    function _undisputed(Clock memory c, ChainlinkSource.Round memory r, ChainlinkSource.Round memory previous)
        internal
        view
        returns (bool)
    {
        if (validators == 0) return _near(r.index, previous.index, jumpLimit);
        uint256 phases = _phasesAt(c, r.observed);
        uint256 agreeing;
        for (uint256 i; i < validators; ++i) {
            (Feed feed, Bounds bounds) = _validator(i);
            uint256 value = feed.findAsOf(bounds, uint16(phases >> 16 * i), r.observed);
            if (_near(value, r.index, spread)) ++agreeing;
        }
        return agreeing >= quorum;
    }

    function _silentSince(uint256 start) internal view returns (bool) {
        uint256 observed = primary.newest(primaryBounds).observed;
        return observed != 0 && observed <= start;
    }

    function _requireLive() internal view returns (Clock memory c) {
        c = clock;
        if (c.ended) revert OracleEnded();
    }

    /// @dev The uptime feed answers 0 for up, 1 for down, and `startedAt` says since when.
    function _requireSequencer() internal view {
        if (sequencer == address(0)) return;
        (bool up, uint256 since) = ChainlinkSource.uptime(sequencer);
        if (!up) revert InGrace(type(uint256).max);
        if (block.timestamp - since < grace) revert InGrace(since + grace);
    }

    /// @dev Is `value` within `limit` of `base`? No value, or no base, is near nothing.
    function _near(uint256 value, uint256 base, uint256 limit) internal pure returns (bool) {
        uint256 distance = value > base ? value - base : base - value;
        return value != 0 && distance * ONE <= base * limit;
    }

    function _phases() internal view returns (uint64 phases) {
        for (uint256 i; i < validators; ++i) {
            (Feed feed,) = _validator(i);
            phases |= uint64(feed.phase()) << uint64(16 * i);
        }
    }

    function _phasesAt(Clock memory c, uint256 time) internal pure returns (uint64) {
        return time > c.since ? c.phases : c.before;
    }

    function _validator(uint256 i) internal view returns (Feed, Bounds) {
        if (i == 0) return (feed0, bounds0);
        if (i == 1) return (feed1, bounds1);
        if (i == 2) return (feed2, bounds2);
        return (feed3, bounds3);
    }

    /// @dev Word `i` of a proof; 0, which is no round, where it is missing.
    function _word(bytes calldata proof, uint256 i) internal pure returns (uint256) {
        return proof.length < 32 * (i + 1) ? 0 : uint256(bytes32(proof[32 * i:]));
    }
}
