// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IPyth} from "@pythnetwork/pyth-sdk-solidity/IPyth.sol";
import {PythStructs} from "@pythnetwork/pyth-sdk-solidity/PythStructs.sol";

import {IOracle} from "../interfaces/IOracle.sol";
import {Bounds, Feed, Kind, Round, SourceConfig, read} from "./Source.sol";

/// @title One price of Pyth: signed off chain many times a minute, on chain only where somebody brings it.
/// @notice An update names the publish time before its own, so that the first one at or after a time is unique: Pyth itself
/// checks that and the signatures. What was proven is kept in transient storage, for the rest of the transaction.
/// @dev The last update before a time cannot be proven so; as a validator a price is therefore asked for its first one after.
library PythSource {
    bytes4 private constant PRICE = 0x96834ad3; // getPriceUnsafe(bytes32)
    uint256 private constant FULL = 1e9;

    /// @notice Checks a configuration against the stored price and pins its exponent.
    function pin(SourceConfig memory config) internal view returns (Feed feed, Bounds bounds) {
        if (config.decimals > 18) revert IOracle.SettingInvalid("decimals", config.decimals);
        if (config.heartbeat == 0) revert IOracle.SettingInvalid("heartbeat", 0);
        if (config.confidence == 0 || config.confidence > FULL) {
            revert IOracle.SettingInvalid("confidence", config.confidence);
        }
        feed = Feed.wrap(
            uint160(config.at) | uint256(config.heartbeat) << 160 | uint256(config.decimals) << 192 | uint256(Kind.Pyth)
                << 200 | uint256(config.confidence) << 208
        );
        bounds = Bounds.wrap(uint256(config.id));
        (bool ok, uint256[5] memory word) = read(config.at, PRICE, uint256(config.id), 128);
        if (!ok || word[3] == 0) revert IOracle.SourceSilent(config.at);
        unchecked {
            uint256 places = 0 - word[2];
            if (places != config.decimals) revert IOracle.DecimalsDiffer(config.at, config.decimals, places);
        }
    }

    /// @notice Proves the first update published at or after `from`, until now, and keeps it for `proven`.
    /// @dev Called by a payable function only.
    // slither-disable-next-line msg-value-in-nonpayable
    function prove(Feed feed, Bounds bounds, uint256 source, uint256 from, bytes[] calldata updates)
        internal
        returns (uint256 index, uint256 time)
    {
        if (from > block.timestamp) revert IOracle.PriceNotThereYet(from - 1);
        IPyth pyth = IPyth(feed.at());
        uint256 fee = pyth.getUpdateFee(updates);
        if (msg.value != fee) revert IOracle.FeeDiffers(msg.value, fee);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = bytes32(Bounds.unwrap(bounds));
        // Unique; other prices may come along; nothing is stored in Pyth. The slots are of no use.
        // slither-disable-next-line unused-return
        (PythStructs.PriceFeed[] memory found,) = pyth.parsePriceFeedUpdatesWithConfig{value: fee}(
            updates, ids, uint64(from), uint64(block.timestamp), true, false, false
        );
        PythStructs.Price memory price = found[0].price;
        time = price.publishTime;
        index = _index(feed, price.price, price.conf, price.expo);
        uint256 slot = _slot(source, from);
        uint256 word = index | time << 128;
        assembly ("memory-safe") {
            tstore(slot, word)
        }
    }

    /// @notice What `prove` has kept in this transaction: `time` is 0 where there is nothing, `index` where the price is invalid.
    function proven(uint256 source, uint256 from) internal view returns (uint256 index, uint256 time) {
        uint256 slot = _slot(source, from);
        uint256 word;
        assembly ("memory-safe") {
            word := tload(slot)
        }
        return (uint128(word), word >> 128);
    }

    /// @notice The price stored in Pyth, as a round.
    function loadStored(Feed feed, Bounds bounds, Round memory r) internal view {
        (bool ok, uint256[5] memory word) = read(feed.at(), PRICE, Bounds.unwrap(bounds), 128);
        if (!ok || word[3] > block.timestamp) return;
        r.answer = int256(word[0]);
        r.observed = r.transmitted = word[3];
        r.index = _index(feed, r.answer, word[1], int256(word[2]));
    }

    /// @dev 0 where the price is not positive, less certain than it has to be, or in another unit than was pinned.
    function _index(Feed feed, int256 price, uint256 confidence, int256 exponent) private pure returns (uint256) {
        uint256 facts = Feed.unwrap(feed);
        uint256 decimals = (facts >> 192) & 0x7f;
        if (price <= 0 || price > type(int64).max || exponent != -int256(decimals)) return 0;
        uint256 value = uint256(price);
        if (confidence > type(uint64).max || confidence * FULL > value * (facts >> 208)) return 0;
        return value * 10 ** (18 - decimals);
    }

    function _slot(uint256 source, uint256 from) private pure returns (uint256) {
        return from << 8 | source;
    }
}
