// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Series} from "../libraries/Book.sol";

/// @notice Everything that makes a market. Immutable; rates are 1e18 = 100 %, amounts token units, times seconds.
/// @dev The address of a market follows from this struct: every field counts.
struct MarketConfig {
    address token;
    address oracle;
    address instrument;
    address marginModel;
    address operators;
    uint32 delay;
    uint32 timeToLive;
    uint64 openFee;
    uint64 closeFee;
    uint64 phi;
    uint64 phiToPool;
    uint64 smallestLiquidation;
    uint64 largestLiquidation;
    uint64 smallestReserve;
    uint64 largestReserve;
    uint64 largestUtilisation;
    uint96 keeperFloor;
    uint96 keeperCap;
    uint96 liquidationFee;
    uint96 minMargin;
    uint128 minSize;
}

enum Status {
    None,
    Pending,
    Open
}

enum OrderKind {
    None,
    Open,
    Close,
    RaiseReserve
}

/// @notice Why an order came to nothing.
enum VoidReason {
    None,
    OutsideBand,
    Disputed,
    Late,
    Unproven,
    SeriesClosed,
    FundingRefused,
    ReserveReached,
    MarketEnded
}

/// @notice How a position, or a part of it, ended.
enum ExitKind {
    Close,
    Liquidation,
    AtReserve,
    Settlement
}

/// @notice What a position is.
/// @param margin the trader's collateral, token units
/// @param reserve the pool's; while pending, the earmark
/// @param status of its life
/// @param size signed, 18 decimals, a multiple of 1e10
/// @param entry mark plus premium at the opening, 18 decimals; 0 while pending
/// @param series which contract of the market's family
/// @param time of the request; when open, of the price it was opened at
/// @param funding index of its market's funding at the opening, ten decimals
/// @param borrowing index of borrowing at the opening, ten decimals
struct Position {
    uint256 margin;
    uint256 reserve;
    Status status;
    int256 size;
    uint256 entry;
    uint24 series;
    uint256 time;
    int256 funding;
    uint256 borrowing;
}

/// @notice The order of a position; it lives and dies with it.
/// @param kind None where there is none
/// @param requestedAt time of the commit, @param phase of the oracle's primary then
/// @param premium rate fixed at the commit, 1e18 = 100 %, nine decimals kept
/// @param amount lots (1e10 of size) to close, or token units of reserve: to add, or set aside for a position to open
/// @param low lowest index at which it may execute, @param high the highest, 0 for any; to 33 bits, rounded outwards
struct Order {
    OrderKind kind;
    uint256 requestedAt;
    uint16 phase;
    uint256 premium;
    uint256 amount;
    uint256 low;
    uint256 high;
}

/// @notice One leg of an opening order: one position, one vault.
/// @param size signed, 18 decimals, a multiple of 1e10 (a lot)
/// @param reserve the most the trader can win, token units
/// @param maxPremium largest premium rate accepted
struct Leg {
    uint24 series;
    int256 size;
    uint256 margin;
    uint256 reserve;
    uint256 maxPremium;
}

/// @notice What an operator may be allowed to do; the bit of an action in a grant is 1 << action.
enum Action {
    Open,
    Close,
    RaiseReserve,
    RemoveMargin
}

/// @title Orders, positions, liquidation and settlement of one family of instruments on one index in one token.
interface IMarket {
    /// @notice No position of this market, or one that is over.
    error UnknownPosition(address position);
    /// @notice The call is for positions of another status.
    error WrongStatus(address position, Status status, Status wanted);
    /// @notice An order, or what it leaves open, is below the market's smallest size; 18 decimals.
    error SizeTooSmall(uint256 size, uint256 minimum);
    /// @notice Sizes are multiples of a lot: eight decimals.
    error SizeNotInLots(uint256 size, uint256 lot);
    /// @notice More than the lane of a word holds: docs/spec.md, Bounds.
    error AmountTooLarge(uint256 amount);
    /// @notice A position has to keep this much margin; token units.
    error MarginBelowMinimum(uint256 margin, uint256 minimum);
    /// @notice Margin less fees, the premium and any loss is below what the model asks.
    error MarginTooSmall(int256 equity, uint256 required);
    /// @notice The reserve lies outside the market's bounds on notional; token units.
    error ReserveOutOfBounds(uint256 reserve, uint256 lowest, uint256 highest);
    /// @notice The premium, 1e18 = 100 %, is above the order's limit.
    error PremiumAboveLimit(uint256 premium, uint256 limit);
    /// @notice The band is empty, begins at 0, or ends above what a word holds.
    error BandInvalid(uint256 low, uint256 high);
    /// @notice A position has one order at a time.
    error OrderPending(address position);
    /// @notice There is nothing to execute.
    error NoOrder(address position);
    /// @notice The order of this position can be executed: that goes first.
    error OrderDue(address position);
    /// @notice The gain is not yet the reserve; token units.
    error ReserveNotReached(address position, int256 gain, uint256 reserve);
    /// @notice A position ends at a price later than the one it opened at.
    error PriceNotLater(uint256 time, uint256 openedAt);
    /// @notice No payment to or from this position was ever refused, or all has been claimed.
    error NothingToClaim(address position);
    /// @notice The instrument does not trade this series now, or too many series are live.
    error SeriesNotOpen(uint24 series, uint256 time);
    /// @notice Only the trader may direct a payment elsewhere.
    error NotTrader(address caller, address trader);
    /// @notice The vault holds less than what was promised: the token takes a fee on transfer.
    error TransferShort(uint256 received, uint256 wanted);

    /// @notice An opening order is bound: its margin lies in the new vault, its reserve is earmarked in the pool.
    event OpenRequested(
        address indexed position, address indexed trader, Leg leg, uint256 low, uint256 high, uint256 premium
    );
    /// @notice The order has met its first price; the reserve lies in the vault.
    event Opened(
        address indexed position,
        uint256 index,
        uint256 entry,
        uint256 margin,
        uint256 reserve,
        uint256 fee,
        uint256 keeperFee
    );
    /// @notice The order has ended without effect; what an opening had put in is paid back, less the fees.
    event OrderVoided(address indexed position, OrderKind kind, VoidReason reason, uint256 fee, uint256 keeperFee);
    /// @notice An order of an open position is bound.
    event OrderRequested(
        address indexed position, OrderKind kind, uint256 amount, uint256 low, uint256 high, uint256 premium
    );
    /// @notice `reserve` is the new one.
    event ReserveRaised(address indexed position, uint256 index, uint256 reserve, uint256 keeperFee);
    /// @notice A slice of a position, or all of it, has ended; parts are token units, fees in the part of the pool.
    event Exited(
        address indexed position,
        ExitKind kind,
        uint256 size,
        uint256 index,
        uint256 mark,
        uint256 toTrader,
        uint256 toPool,
        uint256 toKeeper
    );
    /// @notice The trader has added (negative: removed) margin; token units.
    event MarginChanged(address indexed position, int256 change);
    /// @notice The token refused these payments; they wait in the vault. Token units.
    event PaymentKept(address indexed position, uint256 trader, uint256 pool);
    /// @notice The trader's part of a kept payment has been delivered.
    event Claimed(address indexed position, address indexed to, uint256 amount);

    /// @notice Commits an order of one or several legs: each gets a vault with its margin, and an earmark in the pool.
    /// @param trader owner of the positions; pays the margins (allowance to the market)
    /// @param low lowest index at which the order may execute, @param high the highest
    function requestOpen(address trader, Leg[] calldata legs, uint256 low, uint256 high)
        external
        returns (address[] memory positions);

    /// @notice Commits to close `size` (or what is left); the band 0, 0 takes any price.
    function requestClose(address position, uint256 size, uint256 low, uint256 high, uint256 maxPremium) external;

    /// @notice Commits to raise the reserve by `amount` token units.
    function requestRaise(address position, uint256 amount) external;

    /// @notice Carries out the pending order of each position at the first price after it, or voids it; all or none. Anyone may call it.
    /// @param positions whose orders have their first prices from one proof, as legs of one order do
    /// @param proof as the oracle wants it; empty only after the time to live
    function execute(address[] calldata positions, bytes calldata proof) external;

    /// @notice Adds margin out of the caller's allowance. Asks nobody.
    function addMargin(address position, uint256 amount) external;

    /// @notice Takes margin out, to the trader. Unrealised gain never counts.
    function removeMargin(address position, uint256 amount) external;

    /// @notice Liquidates what is liquidatable, skips the rest.
    /// @return done how many were
    function liquidate(address[] calldata positions) external returns (uint256 done);

    /// @notice Closes a position whose gain has reached its reserve, paid in full less fees.
    function closeAtReserve(address position) external;

    /// @notice Ends positions of an expired series or an ended market at the final mark; pending orders void. Skips the rest.
    function settle(address[] calldata positions) external returns (uint256 done);

    /// @notice Pays what the token once refused. The trader may direct it; others can only pay the trader and the pool.
    function claim(address position, address to) external;

    function positionOf(address position) external view returns (Position memory);

    function orderOf(address position) external view returns (Order memory);

    /// @notice What waits in a vault for its trader and for the pool.
    function claimable(address position) external view returns (uint256 trader, uint256 pool);

    /// @notice What decides over a position at a price: unclamped equity, what it must be, and what a partial liquidation restores.
    function health(address position, uint256 index, uint256 time)
        external
        view
        returns (int256 equity, uint256 maintenance, uint256 target);

    /// @notice The series in which something is open or pending, in lanes of 25 bits whose top bit is set.
    function liveSeries() external view returns (uint256 lanes);

    /// @notice The aggregates of a series, as Book reads them.
    /// @dev Reverts while a call of the market is under way: the pool is not valued half-way through a change.
    function seriesOf(uint24 id) external view returns (Series memory);

    /// @notice The market's own pool.
    function pool() external view returns (address);
}
