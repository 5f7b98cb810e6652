// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ChainlinkSource} from "./ChainlinkSource.sol";
import {PythSource} from "./PythSource.sol";
import {Bounds, COMPOSED, Feed, Kind, Round, SourceConfig, Walk} from "./Source.sol";
import {UniswapSource} from "./UniswapSource.sol";

/// @notice How a validator answers: as it is shown, as of the time of the primary's price, for what must have one outcome; as it is
/// now; or as it is found as of a time without proofs, in an outage.
enum Way {
    Shown,
    Current,
    Found
}

/// @title A source of any kind: the one place that knows them all.
library AnySource {
    using ChainlinkSource for Feed;
    using PythSource for Feed;

    /// @notice Checks a configuration against its source and pins it.
    function pin(SourceConfig memory s) internal view returns (Feed feed, Bounds bounds) {
        if (s.kind == Kind.Chainlink) (feed, bounds) = ChainlinkSource.pin(s);
        else if (s.kind == Kind.Pyth) (feed, bounds) = PythSource.pin(s);
        else (feed, bounds) = UniswapSource.pin(s);
        if (s.composed) feed = Feed.wrap(Feed.unwrap(feed) | COMPOSED);
    }

    /// @notice The newest price of what can be a primary.
    function loadNewest(Feed feed, Bounds bounds, Round memory r) internal view {
        feed.isPush() ? ChainlinkSource.loadNewest(feed, bounds, r) : feed.loadStored(bounds, r);
    }

    /// @notice By a round's id in a proof, as a pool remembers, or as the transaction has proven before; 0 where that disagrees
    /// with every price.
    /// @param source its number in this transaction's proofs
    function asShown(Feed feed, Bounds bounds, uint256 source, uint256 phase, uint256 time, uint256 id)
        internal
        view
        returns (bool shown, uint256 index)
    {
        if (feed.isPush()) {
            Round memory r;
            (shown, r) = feed.asOf(bounds, phase, time, id);
            return (shown, r.index);
        }
        if (feed.kind() == Kind.Uniswap) return UniswapSource.asOf(feed, bounds, time);
        uint256 at;
        (index, at) = PythSource.proven(source, time);
        if (at > time + feed.heartbeat()) index = 0;
        shown = at != 0;
    }

    /// @notice By the newest round, the mean until now, or what Pyth has stored; 0 where that is none or too old.
    function current(Feed feed, Bounds bounds, uint256 phase) internal view returns (uint256) {
        return feed.isPush() ? ChainlinkSource.current(feed, bounds, phase) : _unproven(feed, bounds, block.timestamp);
    }

    /// @notice By a walk back through rounds, as a pool remembers, or as Pyth has stored; 0 where nothing is found.
    function asFound(Feed feed, Bounds bounds, Walk memory walk, uint256 phase, uint256 time)
        internal
        view
        returns (uint256 index)
    {
        if (feed.isPush()) return feed.find(bounds, walk, phase, time);
        if (walk.isOver()) return 0;
        uint256 gasBefore = gasleft();
        index = _unproven(feed, bounds, time);
        walk.gasUsed += gasBefore - gasleft();
    }

    /// @dev What Pyth has stored stands for its price no farther away than the heartbeat.
    function _unproven(Feed feed, Bounds bounds, uint256 time) private view returns (uint256 index) {
        if (feed.kind() == Kind.Uniswap) {
            // slither-disable-next-line unused-return
            (, index) = UniswapSource.asOf(feed, bounds, time);
            return index;
        }
        Round memory r;
        feed.loadStored(bounds, r);
        uint256 apart = r.observed > time ? r.observed - time : time - r.observed;
        if (apart <= feed.heartbeat()) index = r.index;
    }
}
