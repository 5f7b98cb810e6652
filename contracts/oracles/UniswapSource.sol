// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "../interfaces/IOracle.sol";
import {TickPrice} from "../libraries/TickPrice.sol";
import {Bounds, Feed, Kind, SourceConfig, requireGas} from "./Source.sol";

/// @title The time-weighted price of one Uniswap v3 pool, read without ever reverting because of what the pool does.
/// @notice A **validator**: of any past time that the pool remembers it says the mean over the window before, the same
/// whenever it is asked, without a proof. It cannot be a **primary**: a mean has a value at every second, so that there is no
/// first one after a time, and half a window before it is read its value is half known.
///
/// Trading cannot move the answer within one block: a tick counts by the seconds that it stood. Held off by d ticks for s seconds
/// it moves by d x s / window. The price is the geometric mean, rounded down to a whole tick (0.01 %).
/// @dev Relied upon for safety: the pool's code is Uniswap's, so that its cumulative values at a past time never change.
library UniswapSource {
    /// @dev In a `Feed` the heartbeat is the window. From bit 208 on, each in 8 bits: is the price that of token1, the underlying's
    /// decimals, the other token's.
    uint256 private constant INVERTED = 1 << 208;
    /// @dev Three times what a ring of 65,535 observations takes.
    uint256 private constant READ_GAS = 250_000;
    uint256 private constant READ_FLOOR = 280_000;

    bytes4 private constant OBSERVE = 0x883bdbfd; // observe(uint32[])
    bytes4 private constant SLOT0 = 0x3850c7bd; // slot0()
    bytes4 private constant TOKEN0 = 0x0dfe1681; // token0()
    bytes4 private constant TOKEN1 = 0xd21220a7; // token1()
    bytes4 private constant DECIMALS = 0x313ce567; // decimals()

    /// @notice Checks a configuration against the pool and pins its tokens' decimals.
    /// @dev A pool notes one observation a block at most, so a ring of n of them reaches back (n - 1) x blockTime at least, whoever
    /// trades in every block.
    function pin(SourceConfig memory c) internal view returns (Feed feed, Bounds) {
        if (c.heartbeat == 0) revert IOracle.SettingInvalid("window", 0);
        if (c.remember < c.heartbeat) revert IOracle.SettingInvalid("remember", c.remember);
        if (c.blockTime == 0) revert IOracle.SettingInvalid("blockTime", 0);
        if (c.largest <= c.smallest) revert IOracle.SettingInvalid("largest", c.largest);
        (bool ok, uint256[8] memory word) = _read(c.at, abi.encodeWithSelector(SLOT0), 224);
        if (!ok) revert IOracle.SettingInvalid("pool", uint160(c.at));
        // The slots in use, not those that are only paid for and come into use at the ring's next turn.
        uint256 cardinality = uint16(word[3]);
        if (cardinality * c.blockTime < uint256(c.remember) + c.blockTime) {
            revert IOracle.SettingInvalid("cardinality", cardinality);
        }
        uint256 underlying = _decimals(c.at, c.inverted ? TOKEN1 : TOKEN0);
        uint256 other = _decimals(c.at, c.inverted ? TOKEN0 : TOKEN1);
        uint256 facts = (c.inverted ? INVERTED : 0) | underlying << 216 | other << 224;
        feed = Feed.wrap(uint160(c.at) | uint256(c.heartbeat) << 160 | uint256(Kind.Uniswap) << 200 | facts);
        // A full ring may still be too young, and what answers all this may still not observe.
        (bool shown,,) = means(feed, c.remember - c.heartbeat);
        if (!shown) revert IOracle.SettingInvalid("remember", c.remember);
        return (feed, Bounds.wrap(c.smallest | uint256(c.largest) << 128));
    }

    /// @notice The index of the window that ended at `time`; 0 where it is at or beyond a bound.
    /// @return shown false where the pool does not remember, or does not answer
    function asOf(Feed feed, Bounds bounds, uint256 time) internal view returns (bool shown, uint256 index) {
        if (time > block.timestamp) return (false, 0);
        int256 tick;
        (shown, tick,) = means(feed, block.timestamp - time);
        if (!shown) return (false, 0);
        // Units of the other token for one unit of the underlying, times what makes both whole, times 1e18.
        index = TickPrice.at(tick, 10 ** (18 + decimalsOf(feed) - otherDecimalsOf(feed)));
        uint256 range = Bounds.unwrap(bounds);
        if (index <= uint128(range) || index >= range >> 128) index = 0;
    }

    /// @notice Of the window that ended `ago` seconds ago: the mean tick of the underlying's price, rounded down, and the seconds
    /// per unit of liquidity, Q128 (the window over it is the harmonic mean of liquidity: whitepaper, sections 5.2 and 5.3).
    function means(Feed feed, uint256 ago)
        internal
        view
        returns (bool shown, int256 tick, uint256 secondsPerLiquidity)
    {
        uint256 word_ = Feed.unwrap(feed);
        uint256 window_ = feed.heartbeat();
        if (ago + window_ > type(uint32).max) return (false, 0, 0);
        uint32[] memory times = new uint32[](2);
        (times[0], times[1]) = (uint32(ago + window_), uint32(ago));
        (bool ok, uint256[8] memory word) = _read(address(uint160(word_)), abi.encodeWithSelector(OBSERVE, times), 256);
        // Two arrays of two, one behind the other: [0x40, 0xa0, 2, ticks then, ticks since, 2, seconds then, seconds since].
        if (!ok || word[0] != 0x40 || word[1] != 0xa0 || word[2] != 2 || word[5] != 2) return (false, 0, 0);
        unchecked {
            // Both sums wrap around, the differences do not.
            int256 ticks = int56(uint56(word[4] - word[3]));
            secondsPerLiquidity = uint160(word[7] - word[6]);
            if (word_ & INVERTED != 0) ticks = -ticks;
            tick = ticks / int256(window_);
            // A remainder, not chance.
            // slither-disable-next-line weak-prng
            if (ticks % int256(window_) < 0) --tick;
        }
        shown = tick >= -TickPrice.MAX_TICK && tick <= TickPrice.MAX_TICK;
    }

    /// @notice Of the underlying.
    function decimalsOf(Feed feed) internal pure returns (uint256) {
        return uint8(Feed.unwrap(feed) >> 216);
    }

    /// @notice Of the token that the underlying is priced in.
    function otherDecimalsOf(Feed feed) internal pure returns (uint256) {
        return uint8(Feed.unwrap(feed) >> 224);
    }

    /// @dev Decimals of one of the pool's tokens, at most 18.
    function _decimals(address pool, bytes4 which) private view returns (uint256) {
        (bool ok, uint256[8] memory word) = _read(pool, abi.encodeWithSelector(which), 32);
        if (!ok) revert IOracle.SettingInvalid("pool", uint160(pool));
        uint256 token = word[0];
        (ok, word) = _read(address(uint160(token)), abi.encodeWithSelector(DECIMALS), 32);
        if (!ok) revert IOracle.SettingInvalid("token", token);
        if (word[0] > 18) revert IOracle.SettingInvalid("decimals", word[0]);
        return word[0];
    }

    /// @dev A call whose result is copied up to 256 bytes only; `ok` needs `size` of them.
    function _read(address at, bytes memory data, uint256 size) private view returns (bool ok, uint256[8] memory word) {
        requireGas(READ_FLOOR);
        assembly ("memory-safe") {
            ok := staticcall(READ_GAS, at, add(data, 0x20), mload(data), word, 0x100)
            ok := and(ok, iszero(lt(returndatasize(), size)))
        }
    }
}
