// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "../interfaces/IOracle.sol";
import {ChainlinkSource} from "./ChainlinkSource.sol";
import {Composition, ONE, OracleSettings} from "./OracleSettings.sol";
import {PythSource} from "./PythSource.sol";
import {Bounds, COMPOSED, Feed, Kind, Round, SourceConfig} from "./Source.sol";
import {UniswapSource} from "./UniswapSource.sol";

/// @title A primary source, up to four validators or two and a second leg, and the clock of an outage.
/// @dev Nothing can be changed by anybody. Sources are immutables: a contract of their own would cost each user 3,300 gas.
contract Oracle is IOracle {
    using ChainlinkSource for Feed;
    using PythSource for Feed;

    /// @dev One word. `phases` holds 16 bits per validator, the second leg in the last place, used after `since`, and `before` those
    /// used until then.
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
    /// @notice What the index is a price of, and in what: "ETH", "USDC".
    bytes32 public immutable base;
    bytes32 public immutable quote;
    Composition internal immutable composition;

    Feed internal immutable primary;
    Bounds internal immutable primaryBounds;
    Feed internal immutable feed0;
    Feed internal immutable feed1;
    Feed internal immutable feed2;
    Feed internal immutable feed3; // the second leg, where there is one
    Bounds internal immutable bounds0;
    Bounds internal immutable bounds1;
    Bounds internal immutable bounds2;
    Bounds internal immutable bounds3;

    Clock public clock;
    /// @notice Where the market would end: the last undisputed price at the clock's start, while none runs the last one recorded.
    Price public last;

    constructor(OracleSettings memory s) {
        s.check();
        (base, quote, composition) = (s.base, s.quote, s.composition);
        (heartbeat, deviation, spread, quorum, maxAge) =
        (s.primary.heartbeat, s.deviation, s.spread, s.quorum, s.maxAge);
        (jumpLimit, sequencer, grace, outageLimit) = (s.jumpLimit, s.sequencer, s.grace, s.outageLimit);
        uint256 n = validators = s.validators.length;

        (primary, primaryBounds) = _pin(s.primary);
        // A commit is bound to a phase: an aggregator without its proxy has none.
        if (primary.isPush() && primary.phase() == 0) revert CannotBePrimary(uint256(s.primary.kind));
        Feed[4] memory feeds;
        Bounds[4] memory bounds;
        for (uint256 i; i < n; ++i) {
            (feeds[i], bounds[i]) = _pin(s.validators[i]);
        }
        if (s.composition != Composition.None) (feeds[3], bounds[3]) = _pin(s.leg);
        (feed0, feed1, feed2, feed3) = (feeds[0], feeds[1], feeds[2], feeds[3]);
        (bounds0, bounds1, bounds2, bounds3) = (bounds[0], bounds[1], bounds[2], bounds[3]);

        uint64 phases = _phases(0);
        Clock memory c = Clock(0, 0, false, uint40(block.timestamp), phases, phases);
        clock = c;
        if (!_record(c)) revert PriceInvalid(_newest().answer); // an end always has a price
    }

    /// @notice Proves the first update of Pyth published at or after `from`, for the rest of the transaction. Takes exactly its fee.
    /// @param source 0 for the primary, with `from` a second after the time that a first price is asked after; a validator's number
    /// from 1 on, with `from` the time of the price that it checks
    /// @param updates as Pyth signs them; the price of this source must be among them
    /// @return index with 18 decimals, 0 where the price is invalid; of this source alone, not composed
    /// @return time when it was published
    function prove(uint256 source, uint256 from, bytes[] calldata updates)
        external
        payable
        returns (uint256 index, uint256 time)
    {
        (Feed feed, Bounds bounds) = source == 0 ? (primary, primaryBounds) : _source(source - 1);
        if (source > validators || feed.kind() != Kind.Pyth) revert NotPulled(source);
        return feed.prove(bounds, source, from, updates);
    }

    /// @inheritdoc IOracle
    function commitment() external view returns (uint16 phase) {
        _requireLive();
        _requireSequencer();
        if (!primary.isPush()) return 1;
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
        uint256 previous;
        (index, time, previous) = _first(phase, afterTime, proof);
        if (index == 0) return (0, time, false);
        uint256 phases = _phasesAt(c, time);
        uint256 own = index;
        if (composition != Composition.None) {
            uint256 id = _word(proof, 3 + validators);
            (bool legShown, Round memory leg) = feed3.asOf(bounds3, phases >> 48, time, id);
            if (!legShown) revert ProofInvalid(id, time);
            index = _composed(own, leg);
            // Here and below zero marks that there is no price; nobody gains by hitting it.
            // slither-disable-next-line incorrect-equality
            if (index == 0 || !_near(leg.index, _beforeLeg(leg), jumpLimit)) return (index, time, false);
        }
        if (validators == 0) return (index, time, _near(own, previous, jumpLimit));
        // A fact once the quorum agrees: what the rest would say need not be shown.
        uint256 agreeing;
        uint256 notShown;
        for (uint256 i; i < validators && agreeing < quorum; ++i) {
            (Feed feed, Bounds bounds) = _source(i);
            bool shown;
            uint256 value;
            if (feed.isPush()) {
                Round memory r;
                (shown, r) = feed.asOf(bounds, uint16(phases >> 16 * i), time, _word(proof, 3 + i));
                value = r.index;
            } else {
                (shown, value) = _remembered(feed, bounds, i, time);
            }
            if (_near(value, feed.isComposed() ? index : own, spread)) ++agreeing;
            else if (!shown) ++notShown;
        }
        undisputed = agreeing >= quorum;
        if (!undisputed && agreeing + notShown >= quorum) revert QuorumNotShown(agreeing, notShown, quorum);
    }

    /// @inheritdoc IOracle
    function latest() external view returns (uint256 index, uint256 time) {
        _requireLive();
        _requireSequencer();
        Round memory r = primary.isPush() ? primary.newest(primaryBounds) : primary.newestPulled(primaryBounds);
        (index, time) = (r.index, r.observed);
        if (block.timestamp - time > maxAge) revert PriceStale(time, maxAge);
        if (index == 0) revert PriceInvalid(r.answer);
        uint256 own = index;
        if (composition != Composition.None) index = _composedNow(own);
        if (validators == 0) {
            uint256 previous = primary.preceding(primaryBounds, r).index;
            if (!_near(own, previous, jumpLimit)) revert PriceJumped(own, previous);
            return (index, time);
        }
        uint256 agreeing;
        for (uint256 i; i < validators && agreeing < quorum; ++i) {
            (Feed feed, Bounds bounds) = _source(i);
            uint256 value = feed.isPush() ? feed.current(bounds).index : _current(feed, bounds);
            if (_near(value, feed.isComposed() ? index : own, spread)) ++agreeing;
        }
        if (agreeing < quorum) revert PriceDisputed(index, agreeing, quorum);
    }

    /// @inheritdoc IOracle
    function checkOutage() external returns (bool ended) {
        Clock memory c = clock;
        if (c.ended) return true;
        uint40 now_ = uint40(block.timestamp);
        uint64 phases = _phases(c.phases);
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
            // Silence since the start proves itself. A primary that has spoken may have been good in between, and of one that is
            // pulled nobody may have asked, so that without a witness every eighth of the limit the clock starts anew.
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
        Round memory r = _newest();
        for (uint256 i; i < ChainlinkSource.WALK && r.observed != 0; ++i) {
            Round memory previous;
            if (primary.isPush()) previous = primary.preceding(primaryBounds, r);
            uint256 index = r.index == 0 ? 0 : _undisputed(c, r, previous);
            if (index != 0) {
                last = Price(uint128(index), uint64(r.observed));
                return true;
            }
            r = previous;
        }
    }

    /// @dev The index at a round, without a proof; 0 where it is disputed.
    function _undisputed(Clock memory c, Round memory r, Round memory previous) internal view returns (uint256 index) {
        uint256 phases = _phasesAt(c, r.observed);
        index = r.index;
        if (composition != Composition.None) {
            Round memory leg = feed3.findAsOf(bounds3, phases >> 48, r.observed);
            index = _composed(r.index, leg);
            if (!_near(leg.index, _beforeLeg(leg), jumpLimit)) return 0;
        }
        if (validators == 0) return _near(r.index, previous.index, jumpLimit) ? index : 0;
        uint256 agreeing;
        for (uint256 i; i < validators && agreeing < quorum; ++i) {
            (Feed feed, Bounds bounds) = _source(i);
            uint256 value = feed.isPush()
                ? feed.findAsOf(bounds, uint16(phases >> 16 * i), r.observed).index
                : _found(feed, bounds, r.observed);
            if (_near(value, feed.isComposed() ? index : r.index, spread)) ++agreeing;
        }
        if (agreeing < quorum) return 0;
    }

    function _silentSince(uint256 start) internal view returns (bool) {
        if (!primary.isPush()) return false;
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

    /// @dev Is `value` within `limit` of `middle`? No value, or no middle, is near nothing.
    function _near(uint256 value, uint256 middle, uint256 limit) internal pure returns (bool) {
        uint256 distance = value > middle ? value - middle : middle - value;
        return value != 0 && distance * ONE <= middle * limit;
    }

    /// @dev The primary's own first price after a time, proven; and, of rounds, the index of the one before.
    function _first(uint16 phase, uint256 afterTime, bytes calldata proof)
        internal
        view
        returns (uint256 index, uint256 time, uint256 previous)
    {
        if (primary.isPush()) {
            (Round memory first, Round memory before) =
                primary.firstAfter(primaryBounds, phase, afterTime, _word(proof, 0));
            return (first.index, first.observed, before.index);
        }
        if (afterTime >= block.timestamp) revert PriceNotThereYet(afterTime);
        (index, time) = PythSource.proven(0, afterTime + 1);
        if (time == 0) revert ProofInvalid(0, afterTime);
    }

    function _newest() internal view returns (Round memory) {
        return primary.isPush() ? primary.newest(primaryBounds) : primary.newestPulled(primaryBounds);
    }

    /// @dev As of `time`, of validator `i` that is no Chainlink feed: what its pool remembers, or the transaction has proven.
    function _remembered(Feed feed, Bounds bounds, uint256 i, uint256 time)
        internal
        view
        returns (bool shown, uint256 index)
    {
        if (feed.kind() == Kind.Uniswap) return UniswapSource.asOf(feed, bounds, time);
        uint256 at;
        (index, at) = PythSource.proven(i + 1, time);
        if (at > time + feed.heartbeat()) index = 0;
        shown = at != 0;
    }

    /// @dev The same now, of Pyth what it has stored.
    function _current(Feed feed, Bounds bounds) internal view returns (uint256) {
        if (feed.kind() == Kind.Uniswap) return UniswapSource.current(feed, bounds);
        Round memory r = feed.newestPulled(bounds);
        return block.timestamp - r.observed <= feed.heartbeat() ? r.index : 0;
    }

    /// @dev As of `time` without a proof: of Pyth what it has stored, if that is not from before and not too late.
    function _found(Feed feed, Bounds bounds, uint256 time) internal view returns (uint256) {
        if (feed.kind() == Kind.Uniswap) {
            (bool shown, uint256 mean) = UniswapSource.asOf(feed, bounds, time);
            return shown ? mean : 0;
        }
        Round memory r = feed.newestPulled(bounds);
        return r.observed >= time && r.observed <= time + feed.heartbeat() ? r.index : 0;
    }

    /// @dev The primary's price over the second leg's, or times it, rounded down; 0 where the leg has none, or it is out of range.
    function _composed(uint256 own, Round memory leg) internal view returns (uint256 index) {
        // slither-disable-next-line incorrect-equality
        if (leg.index == 0) return 0;
        index = composition == Composition.Divide ? own * ONE / leg.index : own * leg.index / ONE;
        if (index > type(uint128).max) return 0;
    }

    function _composedNow(uint256 own) internal view returns (uint256 index) {
        Round memory leg = feed3.current(bounds3);
        index = _composed(own, leg);
        // slither-disable-next-line incorrect-equality
        if (index == 0) revert LegInvalid(leg.transmitted, leg.answer);
        uint256 previous = _beforeLeg(leg);
        if (!_near(leg.index, previous, jumpLimit)) revert PriceJumped(leg.index, previous);
    }

    function _beforeLeg(Round memory leg) internal view returns (uint256) {
        return feed3.preceding(bounds3, leg).index;
    }

    /// @dev Of a feed that does not answer now the phase that is known.
    function _phases(uint64 known) internal view returns (uint64 phases) {
        for (uint256 i; i < 4; ++i) {
            (Feed feed,) = _source(i);
            if (Feed.unwrap(feed) == 0 || !feed.isPush()) continue;
            uint64 place = uint64(16 * i);
            uint16 phase = feed.phase();
            phases |= uint64(phase != 0 ? phase : uint16(known >> place)) << place;
        }
    }

    function _phasesAt(Clock memory c, uint256 time) internal pure returns (uint64) {
        return time > c.since ? c.phases : c.before;
    }

    function _pin(SourceConfig memory s) internal view returns (Feed feed, Bounds bounds) {
        if (s.kind == Kind.Chainlink) (feed, bounds) = ChainlinkSource.pin(s);
        else if (s.kind == Kind.Pyth) (feed, bounds) = PythSource.pin(s);
        else (feed, bounds) = _pinPool(s);
        if (s.composed) feed = Feed.wrap(Feed.unwrap(feed) | COMPOSED);
    }

    function _pinPool(SourceConfig memory s) internal view returns (Feed, Bounds) {
        return UniswapSource.pin(
            UniswapSource.Config(s.at, s.heartbeat, s.inverted, s.remember, s.blockTime, s.smallest, s.largest)
        );
    }

    function _source(uint256 i) internal view returns (Feed, Bounds) {
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
