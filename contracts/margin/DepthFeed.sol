// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IDepthFeed} from "../interfaces/IDepthFeed.sol";
import {IOracle} from "../interfaces/IOracle.sol";
import {TickPrice} from "../libraries/TickPrice.sol";
import {Feed, SourceConfig} from "../oracles/Source.sol";
import {UniswapSource} from "../oracles/UniswapSource.sol";

/// @title The depth of a Uniswap v3 pool around its price, averaged over a window.
/// @notice Liquidity L at price P holds y = L x sqrt(P) of what P is counted in (Uniswap v3 Core, whitepaper, 6.2.1), so
///     depth = L x sqrt(P) x (sqrt(1 + band) - 1)
/// moves P up by the band; down takes a little more. L is the harmonic mean over the window, P the geometric one. Rounded down.
///
/// Liquidity added for a share f of the window, however much, raises the mean by f / (1 - f) of it at most. Liquidity taken
/// away, or a price pushed to where there is none, lowers it much faster, to 1 / f of what is left there at least. So depth is
/// easily made to look small, and never large for less than the window; hence it may only raise what a margin model asks.
/// Taken for granted: the liquidity at the price reaches as far as the band. Parked in a narrower range, for the whole window,
/// it makes the pool look deeper than it is.
contract DepthFeed is IDepthFeed {
    using UniswapSource for Feed;

    uint256 private constant ONE = 1e18;
    /// @dev The root lies between 2 ** -64 and 2 ** 64: 32 bits at least are left of it.
    uint256 private constant ROOT_SCALE = 1 << 96;

    /// @notice Of the price, 1e18 = 100 %.
    uint256 public immutable BAND;
    /// @notice The pool, as UniswapSource packs it.
    Feed public immutable FEED;

    /// @dev sqrt(1 + band) - 1, times what brings the collateral to 18 decimals, times 1e18.
    uint256 private immutable FACTOR;

    /// @param inverted false: token0 is the underlying and token1 the collateral; true: the other way round
    /// @param blockTime see SourceConfig
    constructor(address pool, uint32 window, bool inverted, uint32 blockTime, uint256 band) {
        if (band == 0 || band > ONE) revert IOracle.SettingInvalid("band", band);
        SourceConfig memory config;
        (config.at, config.heartbeat, config.inverted) = (pool, window, inverted);
        (config.remember, config.blockTime, config.largest) = (window, blockTime, type(uint128).max);
        // A depth needs no bounds.
        // slither-disable-next-line unused-return
        (Feed feed,) = UniswapSource.pin(config);
        (BAND, FEED) = (band, feed);
        FACTOR = (Math.sqrt(ONE * (ONE + band)) - ONE) * 10 ** (18 - feed.otherDecimalsOf());
    }

    /// @inheritdoc IDepthFeed
    function depth() external view returns (uint256) {
        (bool shown, int256 tick, uint256 secondsPerLiquidity) = FEED.means(0);
        if (!shown || secondsPerLiquidity == 0) return 0;
        // 128 bits of liquidity, 64 + 96 of the root, 120 of the factor: nothing overflows.
        uint256 liquidity = Math.min((FEED.heartbeat() << 128) / secondsPerLiquidity, type(uint128).max);
        uint256 amount = Math.mulDiv(liquidity, TickPrice.at(tick >> 1, ROOT_SCALE), ROOT_SCALE);
        return Math.mulDiv(amount, FACTOR, ONE);
    }
}
