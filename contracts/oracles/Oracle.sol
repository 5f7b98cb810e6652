// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IOracle} from "../interfaces/IOracle.sol";
import {AnySource, Way} from "./AnySource.sol";
import {ChainlinkSource} from "./ChainlinkSource.sol";
import {Composition, ONE, OracleSettings} from "./OracleSettings.sol";
import {PythSource} from "./PythSource.sol";
import {Bounds, Feed, Kind, Round, Walk} from "./Source.sol";

/// @title A primary source, up to four validators or two and a second leg, and the clock of an outage.
/// @dev Nothing can be changed by anybody. Sources are immutables: a contract of their own would cost each user 3,300 gas.
contract Oracle is IOracle {
    using AnySource for Feed;
    using Checkpoints for Checkpoints.Trace208;

    /// @dev One word. `phases` holds 16 bits per validator, the second leg in the last place; they count for times after `since`.
    struct Clock {
        uint40 started;
        uint40 seen;
        bool ended;
        uint40 since;
        uint64 phases;
    }

    struct Price {
        uint128 index;
        uint64 time;
    }

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
    /// @dev The phases before `clock.phases`, by the time that they counted since: for ever, as long as any request may live.
    Checkpoints.Trace208 internal past;

    constructor(OracleSettings memory s) {
        s.check();
        (base, quote, composition) = (s.base, s.quote, s.composition);
        (heartbeat, deviation, spread, quorum, maxAge) =
        (s.primary.heartbeat, s.deviation, s.spread, s.quorum, s.maxAge);
        (jumpLimit, sequencer, grace, outageLimit) = (s.jumpLimit, s.sequencer, s.grace, s.outageLimit);
        uint256 n = validators = s.validators.length;

        (primary, primaryBounds) = AnySource.pin(s.primary);
        // A commit is bound to a phase: an aggregator without its proxy has none.
        if (primary.isPush() && ChainlinkSource.phase(primary) == 0) revert CannotBePrimary(uint256(s.primary.kind));
        Feed[4] memory feeds;
        Bounds[4] memory bounds;
        for (uint256 i; i < n; ++i) {
            (feeds[i], bounds[i]) = AnySource.pin(s.validators[i]);
        }
        if (s.composition != Composition.None) (feeds[3], bounds[3]) = AnySource.pin(s.leg);
        (feed0, feed1, feed2, feed3) = (feeds[0], feeds[1], feeds[2], feeds[3]);
        (bounds0, bounds1, bounds2, bounds3) = (bounds[0], bounds[1], bounds[2], bounds[3]);

        clock.phases = _phasesNow(0);
        if (!_record()) revert PriceInvalid(_newest().answer); // an end always has a price
    }

    // ---------------------------------------------------------------- prices, by a proof or the newest

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
        return PythSource.prove(feed, bounds, source, from, updates);
    }

    /// @inheritdoc IOracle
    function commitment() external view returns (uint16 phase) {
        _requireLive();
        if (sequencer != address(0)) ChainlinkSource.requireUp(sequencer, grace);
        if (!primary.isPush()) return 1;
        phase = ChainlinkSource.phase(primary);
        if (phase == 0) revert PriceStale(0, maxAge);
    }

    /// @inheritdoc IOracle
    function firstAfter(uint16 phase, uint256 afterTime, bytes calldata proof)
        external
        view
        returns (uint256 index, uint256 time, bool undisputed)
    {
        _requireLive();
        uint256 own;
        uint256 previous;
        (own, time, previous) = _first(phase, afterTime, proof);
        if (own == 0) return (0, time, false);
        uint256 phases = phasesAt(time);
        index = own;
        if (composition != Composition.None) {
            uint256 id = _word(proof, 3 + validators);
            (bool shown, Round memory leg) = ChainlinkSource.asOf(feed3, bounds3, phases >> 48, time, id);
            if (!shown) revert ProofInvalid(id, time);
            index = composition.composed(own, leg.index);
            // Here and below zero marks that there is no price; nobody gains by hitting it.
            // slither-disable-next-line incorrect-equality
            if (index == 0 || !_near(leg.index, ChainlinkSource.preceding(feed3, bounds3, leg).index, jumpLimit)) {
                return (index, time, false);
            }
        }
        if (validators == 0) return (index, time, _near(own, previous, jumpLimit));
        (uint256 agreeing, uint256 notShown) = _poll(Way.Shown, own, index, phases, time, proof, new Walk[](0));
        undisputed = agreeing >= quorum;
        if (!undisputed && agreeing + notShown >= quorum) revert QuorumNotShown(agreeing, notShown, quorum);
    }

    /// @inheritdoc IOracle
    function latest() external view returns (uint256 index, uint256 time) {
        _requireLive();
        if (sequencer != address(0)) ChainlinkSource.requireUp(sequencer, grace);
        Round memory r;
        primary.loadNewest(primaryBounds, r);
        (index, time) = (r.index, r.observed);
        if (block.timestamp - time > maxAge) revert PriceStale(time, maxAge);
        if (index == 0) revert PriceInvalid(r.answer);
        uint256 own = index;
        if (composition != Composition.None) {
            Walk memory walk;
            uint256 leg;
            uint256 before;
            (index, leg, before) = _composedAt(own, walk, clock.phases, block.timestamp);
            // slither-disable-next-line incorrect-equality
            if (index == 0) revert LegInvalid(walk.at.transmitted, walk.at.answer);
            if (!_near(leg, before, jumpLimit)) revert PriceJumped(leg, before);
        }
        if (validators == 0) {
            ChainlinkSource.loadPreceding(primary, primaryBounds, r);
            if (!_near(own, r.index, jumpLimit)) revert PriceJumped(own, r.index);
            return (index, time);
        }
        (uint256 agreeing,) = _poll(Way.Current, own, index, clock.phases, 0, _noProof(), new Walk[](0));
        if (agreeing < quorum) revert PriceDisputed(index, agreeing, quorum);
    }

    // ---------------------------------------------------------------- the clock of an outage

    /// @inheritdoc IOracle
    function checkOutage() external returns (bool) {
        if (clock.ended) return true;
        _follow();
        Clock memory c = clock;
        uint40 now_ = uint40(block.timestamp);
        // From outside, so that whatever a feed does is only a missing price.
        try this.latest() returns (uint256 index, uint256 time) {
            if (c.started != 0 && time > c.started) {
                c.started = 0;
                emit OutageCleared(now_);
            }
            // Zero is the mark of a clock that stands still, not a time to be hit.
            // slither-disable-next-line incorrect-equality
            if (c.started == 0) last = Price(uint128(index), uint64(time));
        } catch (bytes memory reason) {
            // Who sends too little gas has witnessed nothing. Nothing but that leaves no reason.
            if (reason.length == 0 || bytes4(reason) == GasTooLow.selector) LowLevelCall.bubbleRevert(reason);
            // Silence since the start proves itself. A primary that has spoken may have been good in between, and of one that is
            // pulled nobody may have asked, so that without a witness every eighth of the limit the clock starts anew.
            if (c.started != 0 && (_silentSince(c.started) || now_ - c.seen <= outageLimit / 8)) {
                c.ended = now_ - c.started >= outageLimit;
                if (c.ended) emit Ended(last.index, now_);
            } else {
                c.started = now_;
                _record();
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

    function _silentSince(uint256 start) internal view returns (bool) {
        if (!primary.isPush()) return false;
        uint256 observed = _newest().observed;
        return observed != 0 && observed <= start;
    }

    /// @dev Stores the last undisputed price that walks through the rounds of all sources find; without one the price recorded before
    /// stays. The walks go back together, and each ends by itself: no source takes another's rounds or gas.
    function _record() internal returns (bool found) {
        Walk memory primaries;
        Walk memory legs;
        Walk[] memory walks = new Walk[](validators);
        primary.loadNewest(primaryBounds, primaries.at);
        primaries.steps = 1;
        while (primaries.at.observed != 0) {
            Round memory r = primaries.at;
            if (primary.isPush()) ChainlinkSource.back(primary, primaryBounds, primaries);
            else delete primaries.at;
            uint256 index = r.index == 0 ? 0 : _undisputed(r, primaries.at.index, legs, walks);
            if (index != 0) {
                last = Price(uint128(index), uint64(r.observed));
                return true;
            }
        }
    }

    /// @dev The index at a round of the primary, found without proofs; 0 where it is disputed.
    function _undisputed(Round memory r, uint256 previous, Walk memory legs, Walk[] memory walks)
        internal
        view
        returns (uint256 index)
    {
        uint256 phases = phasesAt(r.observed);
        index = r.index;
        if (composition != Composition.None) {
            uint256 leg;
            uint256 before;
            (index, leg, before) = _composedAt(r.index, legs, phases, r.observed);
            if (!_near(leg, before, jumpLimit)) return 0;
        }
        if (validators == 0) return _near(r.index, previous, jumpLimit) ? index : 0;
        (uint256 agreeing,) = _poll(Way.Found, r.index, index, phases, r.observed, _noProof(), walks);
        if (agreeing < quorum) return 0;
    }

    // ---------------------------------------------------------------- sources

    function _newest() internal view returns (Round memory r) {
        primary.loadNewest(primaryBounds, r);
    }

    /// @dev Asks validators until the quorum agrees: a fact then, whatever the rest would say.
    /// @param own the primary's price, `index` the composed one
    /// @param proof of what is shown, `walks` of what is found: one a validator
    function _poll(
        Way way,
        uint256 own,
        uint256 index,
        uint256 phases,
        uint256 time,
        bytes calldata proof,
        Walk[] memory walks
    ) internal view returns (uint256 agreeing, uint256 notShown) {
        for (uint256 i; i < validators && agreeing < quorum; ++i) {
            (Feed feed, Bounds bounds) = _source(i);
            uint256 phase = uint16(phases);
            phases >>= 16;
            bool shown;
            uint256 value;
            if (way == Way.Shown) (shown, value) = feed.asShown(bounds, i + 1, phase, time, _word(proof, 3 + i));
            else if (way == Way.Current) value = feed.current(bounds, phase);
            else value = feed.asFound(bounds, walks[i], phase, time);
            if (_near(value, feed.isComposed() ? index : own, spread)) ++agreeing;
            else if (!shown) ++notShown;
        }
    }

    /// @dev The primary's own first price after a time, proven; and, of rounds, the index of the one before.
    function _first(uint16 phase, uint256 afterTime, bytes calldata proof)
        internal
        view
        returns (uint256 index, uint256 time, uint256 previous)
    {
        if (primary.isPush()) {
            (Round memory first, Round memory before) =
                ChainlinkSource.firstAfter(primary, primaryBounds, phase, afterTime, _word(proof, 0));
            return (first.index, first.observed, before.index);
        }
        if (afterTime >= block.timestamp) revert PriceNotThereYet(afterTime);
        (index, time) = PythSource.proven(0, afterTime + 1);
        if (time == 0) revert ProofInvalid(0, afterTime);
    }

    /// @dev The composed price as of a time, the second leg's as it is found, and that of its round before.
    function _composedAt(uint256 own, Walk memory walk, uint256 phases, uint256 time)
        internal
        view
        returns (uint256 index, uint256 leg, uint256 before)
    {
        leg = ChainlinkSource.find(feed3, bounds3, walk, uint16(phases >> 48), time);
        index = composition.composed(own, leg);
        if (index != 0) before = ChainlinkSource.peek(feed3, bounds3, walk).index;
    }

    /// @dev Is `value` within `limit` of `middle`? No value, or no middle, is near nothing.
    function _near(uint256 value, uint256 middle, uint256 limit) internal pure returns (bool) {
        unchecked {
            uint256 distance = value > middle ? value - middle : middle - value;
            return value != 0 && distance * ONE <= middle * limit; // indices fit in 128 bits, limits in 64
        }
    }

    function _requireLive() internal view {
        if (clock.ended) revert OracleEnded();
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

    function _noProof() internal pure returns (bytes calldata) {
        return msg.data[:0];
    }

    // ---------------------------------------------------------------- phases

    /// @notice The phases that count for a price of this time, 16 bits per validator, the second leg in the last place.
    function phasesAt(uint256 time) public view returns (uint64) {
        return time > clock.since ? clock.phases : uint64(past.upperLookupRecent(uint48(time - 1)));
    }

    /// @dev Phases that changed count from the next second on. Those of this second and before stay what they were.
    function _follow() internal {
        Clock memory c = clock;
        uint64 phases = _phasesNow(c.phases);
        // Words of phases, no balance that somebody could set.
        // slither-disable-next-line incorrect-equality
        if (phases == c.phases) return;
        // slither-disable-next-line unused-return
        past.push(c.since, c.phases);
        (clock.since, clock.phases) = (uint40(block.timestamp), phases);
    }

    /// @dev Of a feed that does not answer the phase that is known.
    function _phasesNow(uint64 known) internal view returns (uint64 phases) {
        for (uint256 i; i < 4; ++i) {
            (Feed feed,) = _source(i);
            if (Feed.unwrap(feed) == 0 || !feed.isPush()) continue;
            uint64 place = uint64(16 * i);
            uint16 phase = ChainlinkSource.phase(feed);
            phases |= uint64(phase != 0 ? phase : uint16(known >> place)) << place;
        }
    }
}
