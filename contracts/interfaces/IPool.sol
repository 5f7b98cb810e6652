// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";

/// @notice The money that moves with a change of positions. Token units.
/// @param freed earmarks that end, @param added reserves that begin in a vault, @param released reserves that end there
/// @param vault to which @param sent leaves the pool
/// @param received has just come from vaults, @param unpaid stays claimable in them
/// @param keeper to whom @param keeperFee is paid out of what came in
/// @param ended positions that are over, @param index price of the trade, 0 where no trade was made
struct Flow {
    uint256 freed;
    uint256 added;
    uint256 released;
    address vault;
    uint256 sent;
    uint256 received;
    uint256 unpaid;
    address keeper;
    uint256 keeperFee;
    uint256 ended;
    uint256 index;
}

/// @title The counterparty of one market.
/// @notice Entry at once at net worth, exit by request at a price nobody knows when asking; both bear what the feed may hide and, where
/// the cost of a position lies in its fill, what the pool would ask for trading away what is open. Amounts are token units.
interface IPool is IERC4626 {
    /// @notice A request to leave, first come first served.
    /// @param owner who is paid
    /// @param shares still to be redeemed, held by the pool
    /// @param requestedAt time of the commit, or of the last partial payment
    /// @param phase what the oracle's primary needs to know of that moment
    /// @param least what the shares must bring after the keeper's fee, or they are given back
    struct Exit {
        address owner;
        uint32 requestedAt;
        uint16 phase;
        uint128 shares;
        uint128 least;
    }

    /// @notice Only the pool's own market moves money with positions.
    error NotMarket(address caller);
    /// @notice The pool has less free liquidity than the earmark asks for.
    error LiquidityShort(uint256 asked, uint256 free);
    /// @notice The earmark would lift utilisation above the market's cap, both 1e18 = 100 %.
    error UtilisationAboveCap(uint256 utilisation, uint256 cap);
    /// @notice Positions are open or orders pending: leave by requestRedeem.
    error ExitByRequest();
    /// @notice Somebody has entered in this very transaction: leave in a later one.
    error EnteredNow();
    /// @notice No request is in line, nothing is free or worth paying it with, or no payment was kept.
    error NothingToRedeem();
    /// @notice Too few to pay the keeper who carries an exit out, or none at all.
    error SharesTooFew(uint256 shares);
    /// @notice The entry has become dearer than its sender allows.
    error SharesBelowLeast(uint256 shares, uint256 least);

    /// @notice Shares are in line to leave, for `least` token units or more, and held by the pool.
    event ExitRequested(uint256 indexed id, address indexed owner, uint256 shares, uint256 least);
    /// @notice A request, or the part of it that liquidity reached for, is paid; token units.
    event ExitPaid(uint256 indexed id, address indexed owner, uint256 shares, uint256 assets, uint256 keeperFee);
    /// @notice The first price after the request was disputed or never proven: the request counts from now.
    event ExitRenewed(uint256 indexed id);
    /// @notice The price of a request, after the keeper's fee `assets` for all or the part that liquidity reached for, is below its
    /// least: `shares` are given back, the others pay the keeper.
    event ExitVoid(uint256 indexed id, address indexed owner, uint256 shares, uint256 assets, uint256 keeperFee);
    /// @notice The payment was refused by the token; it waits for its owner.
    event ExitKept(address indexed owner, uint256 assets);

    /// @notice `deposit` that reverts where it would bring fewer shares: an entry is at the worth of the moment. `mint` is bound
    /// by its allowance.
    function depositAtLeast(uint256 assets, address receiver, uint256 least) external returns (uint256 shares);

    /// @notice Asks to leave with `shares` of the caller.
    /// @param least what they must bring after the keeper's fee, a part its share of it; 0 for any price. Below, they are given
    /// back, less those that pay the keeper.
    function requestRedeem(uint256 shares, uint256 least) external returns (uint256 id);

    /// @notice Pays the first request in line as far as free liquidity reaches. Anyone may call it.
    /// @param proof of the primary's first price after the request; ignored where nothing is open
    function executeExit(bytes calldata proof) external returns (uint256 shares, uint256 assets);

    /// @notice Pays what the token once refused to deliver, to where its owner directs it.
    function claimExit(address to) external returns (uint256 assets);

    /// @notice Worth at a price: idle + earmarks + reserves + claims - what the traders have gained.
    function worth(uint256 index, uint256 time) external view returns (uint256);

    /// @notice Token units in vaults and earmarks, and those that are free.
    function liquidity() external view returns (uint256 committed, uint256 idle);

    /// @notice Index of the last trade, to 33 bits; of the market's creation before the first. Orders are held to it where their
    /// band ends below.
    function lastIndex() external view returns (uint256);

    /// @notice What the queue of exits may still ask of the idle liquidity.
    function dueExits() external view returns (uint256);

    /// @notice Market only: puts `amount` aside for an order.
    /// @param size abs(size) of the position that the reserve is for, @param high top of the band; 0 where no position is opened
    /// @return committed and @return idle afterwards, @return last index of the last trade, as the pool keeps it
    function earmark(uint256 amount, uint256 size, uint256 high)
        external
        returns (uint256 committed, uint256 idle, uint256 last);

    /// @notice Market only: money moves with positions.
    /// @return done false where the token refused to move what is sent; nothing has changed then
    function move(Flow calldata flow) external returns (bool done, uint256 committed, uint256 idle);

    /// @notice Market only: `amount` of unpaid claims has arrived.
    function collectClaim(uint256 amount) external;
}
