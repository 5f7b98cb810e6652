// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDepthFeed} from "../interfaces/IDepthFeed.sol";
import {TickPrice} from "../libraries/TickPrice.sol";
import {Bounds, Feed, SourceConfig} from "../oracles/Source.sol";
import {UniswapSource} from "../oracles/UniswapSource.sol";

/// @title UniswapSource and TickPrice from outside; and a witness that tells what they say in the midst of a transaction.
contract UniswapHarness {
    event Told(bool shown, uint256 index, uint256 current);
    event ToldDepth(uint256 depth);

    function tell(Feed feed, Bounds bounds, uint256 time) external {
        (bool shown, uint256 index) = UniswapSource.asOf(feed, bounds, time);
        emit Told(shown, index, current(feed, bounds));
    }

    function tellDepth(IDepthFeed feed) external {
        emit ToldDepth(feed.depth());
    }

    function pin(SourceConfig calldata config) external view returns (Feed, Bounds) {
        return UniswapSource.pin(config);
    }

    function asOf(Feed feed, Bounds bounds, uint256 time) external view returns (bool, uint256) {
        return UniswapSource.asOf(feed, bounds, time);
    }

    function current(Feed feed, Bounds bounds) public view returns (uint256 index) {
        (, index) = UniswapSource.asOf(feed, bounds, block.timestamp);
    }

    function means(Feed feed, uint256 ago) external view returns (bool, int256, uint256) {
        return UniswapSource.means(feed, ago);
    }

    function priceAt(int256 tick, uint256 scale) external pure returns (uint256) {
        return TickPrice.at(tick, scale);
    }
}
