// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IFactory} from "./IFactory.sol";
import {IMarket, Leg, MarketConfig} from "./IMarket.sol";

/// @title What readers look up. The core never imports it.
interface ILens {
    /// @notice State of one position at a price.
    /// @param position its vault
    /// @param equity unclamped, token units
    struct Health {
        address position;
        int256 equity;
        uint256 maintenance;
        uint256 target;
    }

    /// @notice What a request to open asks for now.
    /// @param premium rate that it would fix, 1e18 = 100 %
    /// @param openFee at the top of the band, token units
    /// @param keeperCap the most its keeper gets, token units
    /// @param margin the smallest that passes, token units
    /// @param lowestReserve for this size at the top of the band, @param highestReserve the same, token units
    /// @param freeLiquidity what the pool could set aside, token units
    struct OpenQuote {
        uint256 premium;
        uint256 openFee;
        uint256 keeperCap;
        uint256 margin;
        uint256 lowestReserve;
        uint256 highestReserve;
        uint256 freeLiquidity;
    }

    /// @notice What a close comes to. Token units, but for the rate.
    /// @param premium rate that a request would fix now, 1e18 = 100 %
    /// @param closeFee as asked; no more is taken than is left
    /// @param carry that the closed part owes; negative: is owed
    /// @param toTrader as the event Exited tells, like @param toPool and @param toKeeper
    struct CloseQuote {
        uint256 premium;
        uint256 closeFee;
        int256 carry;
        uint256 toTrader;
        uint256 toPool;
        uint256 toKeeper;
    }

    /// @notice The interval of index, both ends included, in which a position is healthy now. Empty where low > high.
    /// @dev For instruments whose health changes sides at most once on each side of the healthy interval, as those of
    /// one position do: equity is monotone in the mark and requirements grow slower than it.
    function healthyRange(IMarket market, address position) external view returns (uint256 low, uint256 high);

    /// @notice Health of many positions at one price; those that are not open are left out.
    function healthOf(IMarket market, address[] calldata positions, uint256 index, uint256 time)
        external
        view
        returns (Health[] memory);

    /// @notice One bit a position, lowest first: liquidatable at this price as far as health decides.
    function unhealthy(IMarket market, address[] calldata positions, uint256 index, uint256 time)
        external
        view
        returns (uint256[] memory bitmap);

    /// @notice Prices a request to open one leg now, whatever its margin and its limit are.
    /// @param factory of the market, @param config the market's: they give its address, so that no other terms can slip in
    /// @dev Says what would pass, not that it would: the pool does not tell the index of its last trade, which the band must
    /// reach, nor all that its cap of utilisation is measured by. A call of `requestOpen` without sending it does.
    function quoteOpen(IFactory factory, MarketConfig calldata config, Leg calldata leg, uint256 low, uint256 high)
        external
        view
        returns (OpenQuote memory);

    /// @notice What a close requested now brings, if `index` is the price of `time`, at which it is also carried out.
    /// @param size or what is left, whatever the market's smallest is
    /// @dev Exact as long as nobody trades the series in between: a trade changes the rates of carry.
    function quoteClose(
        IFactory factory,
        MarketConfig calldata config,
        address position,
        uint256 size,
        uint256 index,
        uint256 time
    ) external view returns (CloseQuote memory);
}
