// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IFactory} from "./IFactory.sol";
import {IMarket, Leg, MarketConfig, Order, Position} from "./IMarket.sol";
import {IOracle} from "./IOracle.sol";

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

    /// @notice Everything about one position.
    /// @param trader who owns it; nobody where the market knows no such position
    /// @param terms as written, @param order as written
    /// @param owedTrader token units that wait in the vault because the token refused to pay them, like @param owedPool
    /// @param index the newest price, 0 where there is none that is valid, @param time of it
    /// @param equity at that price, unclamped, token units; like @param maintenance and @param target 0 unless it is open
    struct PositionState {
        address trader;
        Position terms;
        Order order;
        uint256 owedTrader;
        uint256 owedPool;
        uint256 index;
        uint256 time;
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

    /// @notice What a position would be just after its opening. Token units, but for rate and prices.
    /// @param premium rate that a request would fix now, 1e18 = 100 %
    /// @param entry mark plus premium, 18 decimals
    /// @param margin what the fees leave of it, @param reserve as the market would cut it
    /// @param low lowest index at which it is healthy then, @param high the highest; none where low > high
    struct FillQuote {
        uint256 premium;
        uint256 entry;
        uint256 openFee;
        uint256 keeperFee;
        uint256 margin;
        uint256 reserve;
        uint256 low;
        uint256 high;
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

    /// @notice One position in one call; never reverts for want of a price.
    function stateOf(IMarket market, IOracle oracle, address position) external view returns (PositionState memory);

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

    /// @notice What many positions are, each with its order: empty where there is none.
    function statesOf(IMarket market, address[] calldata positions)
        external
        view
        returns (Position[] memory states, Order[] memory orders);

    /// @notice Prices a request to open one leg now, whatever its margin and its limit are.
    /// @param factory of the market
    /// @param config the market's: both give its address, so that no other terms can slip in
    /// @dev Says what would pass, not that it would: the pool does not tell the index of its last trade, which the band must
    /// reach, nor all that its cap of utilisation is measured by. A call of `requestOpen` without sending it does.
    function quoteOpen(IFactory factory, MarketConfig calldata config, Leg calldata leg, uint256 low, uint256 high)
        external
        view
        returns (OpenQuote memory);

    /// @notice What a request of now to open one leg becomes, if `index` is the price of `time`, at which it is also executed.
    /// @dev Says what, not whether: `quoteOpen` does. Exact as long as nobody trades the series in between.
    function quoteFill(IFactory factory, MarketConfig calldata config, Leg calldata leg, uint256 index, uint256 time)
        external
        view
        returns (FillQuote memory);

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
