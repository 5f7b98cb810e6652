// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEuropeanOptions, Option, OptionGreeks} from "./IEuropeanOptions.sol";
import {IFactory} from "./IFactory.sol";
import {ILens} from "./ILens.sol";
import {IMarket, Leg, MarketConfig} from "./IMarket.sol";

/// @notice One series as it stands. Prices have 18 decimals, of one unit.
/// @param series its number
/// @param open may orders be committed now, near enough to the money and with a fresh volatility feed?
/// @param fixed_ is the settlement price known?
/// @param option what it is
/// @param bid what the pool pays, @param ask what it asks; 0 where `open` is false
/// @param greeks with the mark; 0 from the settlement window on
/// @param long, short open sizes
/// @param fixing the settlement price
struct Listing {
    uint24 series;
    bool open;
    bool fixed_;
    Option option;
    uint256 bid;
    uint256 ask;
    OptionGreeks greeks;
    uint256 long;
    uint256 short;
    uint256 fixing;
}

/// @notice What one leg of an order would be. Token units, prices 18 decimals.
/// @param quote as the market's Lens has it
/// @param entry at the index given
/// @param largestLoss of what is put in, held to the expiry, fees included. Beyond the worst index a fee grows with the index.
/// @param low, high indices between which it would be healthy, now
struct LegQuote {
    ILens.OpenQuote quote;
    uint256 entry;
    uint256 largestLoss;
    uint256 low;
    uint256 high;
}

/// @title What readers ask about options: series by rule, their prices and Greeks, orders of several legs.
interface IOptionsLens {
    /// @notice The next Fridays, and the last Fridays of the months, as far as the longest tenor reaches; ascending.
    /// @param weeks_ how many of the first
    /// @param months how many of the second, the present month's counted
    function expiries(IEuropeanOptions options, uint256 weeks_, uint256 months) external view returns (uint256[] memory);

    /// @notice Calls and puts of these expiries, with strikes around an index.
    /// @param each how many strikes on either side of the nearest one
    /// @param every of how many steps their distance is
    function seriesAround(
        IEuropeanOptions options,
        uint256 index,
        uint256 each,
        uint256 every,
        uint256[] calldata expiries_
    ) external view returns (uint24[] memory);

    /// @notice Series as they stand at an index.
    function listings(IMarket market, IEuropeanOptions options, uint24[] calldata series, uint256 index)
        external
        view
        returns (Listing[] memory);

    /// @notice An order of several legs before it is committed: each leg, what can be lost with all, the Greeks of the whole.
    /// @dev Legs are quoted one by one, each as if it were the first: what one binds makes the next a little dearer.
    /// @param low end of the order's band
    /// @param high its other end
    /// @param index at which entries, health and Greeks are told
    function quoteLegs(
        ILens lens,
        IFactory factory,
        MarketConfig calldata config,
        Leg[] calldata legs,
        uint256 low,
        uint256 high,
        uint256 index
    ) external view returns (LegQuote[] memory quotes, uint256 largestLoss, OptionGreeks memory whole);
}
