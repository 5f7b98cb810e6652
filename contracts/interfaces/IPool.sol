// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Position} from "./IMarket.sol";
import {Snapshot} from "./IInstrument.sol";
import {Carry} from "../libraries/Book.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";

/// @notice The money that moves with a change of a position. Token units.
/// @param unpend signed size that is no longer pending, @param freed earmark that ends
/// @param sent leaves the pool for the vault, @param received has just come from it, @param unpaid stays claimable in it
/// @param keeperFee paid out of what came in; @param index price of the trade, 0 where no trade was made
struct Flow {
    int256 unpend;
    uint256 freed;
    uint256 sent;
    uint256 received;
    uint256 unpaid;
    address keeper;
    uint256 keeperFee;
    uint256 index;
}

/// @title The counterparty of one market.
/// @notice Entry at once at net worth, exit by request at a price nobody knows when asking. Amounts are token units.
interface IPool is IERC4626 {
    /// @notice A request to leave, first come first served.
    /// @param owner who is paid
    /// @param shares still to be redeemed, held by the pool
    /// @param requestedAt time of the commit, or of the last partial payment
    /// @param phase what the oracle's primary needs to know of that moment
    struct Exit {
        address owner;
        uint32 requestedAt;
        uint16 phase;
        uint128 shares;
    }

    error NotMarket(address caller);
    /// @notice The instrument does not trade this series now, or too many series are live.
    error SeriesNotOpen(uint24 series, uint256 time);
    /// @notice The pool has less free liquidity than the earmark asks for.
    error LiquidityShort(uint256 asked, uint256 free);
    /// @notice The earmark would lift utilisation above the market's cap, both 1e18 = 100 %.
    error UtilisationAboveCap(uint256 utilisation, uint256 cap);
    /// @notice Positions are open or orders pending: leave by requestRedeem.
    error ExitByRequest();
    /// @notice The band ends below the newest index: its notional would not be an honest one.
    error BandBelowIndex(uint256 high, uint256 index);
    error NothingToRedeem();
    error SharesTooFew(uint256 shares);

    event ExitRequested(uint256 indexed id, address indexed owner, uint256 shares);
    event ExitPaid(uint256 indexed id, address indexed owner, uint256 shares, uint256 assets, uint256 keeperFee);
    /// @notice The first price after the request was disputed or never proven: the request counts from now.
    event ExitRenewed(uint256 indexed id);
    /// @notice The payment was refused by the token; it waits for its owner.
    event ExitKept(address indexed owner, uint256 assets);

    /// @notice Asks to leave with `shares` of the caller.
    function requestRedeem(uint256 shares) external returns (uint256 id);

    /// @notice Pays the first request in line as far as free liquidity reaches. Anyone may call it.
    /// @param proof of the primary's first price after the request; ignored where nothing is open
    function executeExit(bytes calldata proof) external returns (uint256 shares, uint256 assets);

    /// @notice Pays what the token once refused to deliver, to where its owner directs it.
    function claimExit(address to) external returns (uint256 assets);

    /// @notice Worth at a price: idle + earmarks + reserves + claims - what the traders have gained.
    function worth(uint256 index, uint256 time) external view returns (uint256);

    /// @notice Token units in vaults and earmarks, and those that are free.
    function liquidity() external view returns (uint256 committed, uint256 idle);

    /// @notice What the queue of exits may still ask of the idle liquidity.
    function dueExits() external view returns (uint256);

    /// @notice A series as its instrument and margin model see it (index and time left open), and its carry now.
    function stateOf(uint24 series) external view returns (Snapshot memory state, Carry memory carry);

    /// @notice Market only: counts a committed change of size as pending, puts `amount` aside for it, and prices it.
    /// @param size abs(size) of the position that the reserve is for, @param high top of the band; 0 where no position is opened
    function commit(uint24 series, int256 change, uint256 amount, uint256 size, uint256 high)
        external
        returns (Snapshot memory state, uint256 premium);

    /// @notice Market only: a position changes from `old` to `current` (size 0: none), and money with it.
    /// @return done false where the token refused to move what is sent; nothing has changed then
    /// @return band what a new position remembers of the carry
    function post(address vault, Position calldata old, Position calldata current, Flow calldata flow)
        external
        returns (bool done, uint256 band);

    /// @notice Market only: carry of a series ends for good at `time`.
    function freeze(uint24 series, uint256 time) external;

    /// @notice Market only: `amount` of unpaid claims has arrived.
    function collectClaim(uint256 amount) external;
}
