// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IInstrument, Snapshot} from "./interfaces/IInstrument.sol";
import {IMarket, MarketConfig} from "./interfaces/IMarket.sol";
import {IOracle} from "./interfaces/IOracle.sol";
import {IPool, Flow} from "./interfaces/IPool.sol";
import {Bands} from "./libraries/Bands.sol";
import {Book, Series} from "./libraries/Book.sol";
import {PositionMath} from "./libraries/PositionMath.sol";

/// @title Liquidity: the counterparty of one market.
/// @dev Idle is counted, never read from a balance: donations belong to nobody.
/// Strict comparisons are of shares of a request and of sums that the pool keeps itself, never of a balance: hence the exception.
// slither-disable-start incorrect-equality
contract Pool is IPool, ERC4626, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using Math for uint256;
    using Book for Series;
    using Bands for uint256;
    using Bands for uint40;

    uint256 private constant ONE = 1e18;
    uint256 private constant VIRTUAL_SHARES = 1e6;
    uint256 private constant CAPACITY = type(uint88).max / 2;

    IMarket private immutable MARKET;
    IOracle private immutable ORACLE;
    uint256 private immutable DEVIATION;
    IInstrument private immutable INSTRUMENT;
    IERC20 private immutable TOKEN;
    uint256 private immutable UNIT;
    bool private immutable HAS_CARRY;
    bool private immutable IS_LINEAR;
    uint256 private immutable DELAY;
    uint256 private immutable EXIT_FEE;
    uint256 private immutable LARGEST_UTILISATION;
    uint256 private immutable SMALLEST_RESERVE;
    uint256 private immutable LARGEST_RESERVE;
    uint256 private immutable TIME_TO_LIVE;

    /// @dev One word, all that most calls need. `busy` counts positions open or pending: reserves alone do not tell, an instrument
    /// with a cap may need none. `index` is the last trade's, in the compact form.
    struct Funds {
        uint88 idle;
        uint88 committed;
        uint24 busy;
        uint40 index;
        bool exiting;
        bool owed;
    }

    /// @dev Whose worth it is: of nobody who moves, of who enters, of who leaves.
    enum Mover {
        None,
        Entrant,
        Leaver
    }

    Funds private _funds;
    /// @dev Who enters cannot leave in the same transaction: it would take what a trade in between brings, with borrowed money.
    bool private transient _entered;
    uint128 private _claims;
    uint128 private _exitShares;
    mapping(uint256 id => Exit) private _exits;
    mapping(address owner => uint256) private _kept;
    uint128 private _firstExit;
    uint128 private _nextExit;

    /// @param config the market's, checked by the factory; the floor of a keeper's fee pays for an exit too.
    /// A pool begins at a valid price, so that even its first orders are held to an honest notional.
    constructor(IMarket market, MarketConfig memory config)
        ERC20("Bulkhead Pool", "BLKP")
        ERC4626(IERC20(config.token))
    {
        (MARKET, ORACLE, TOKEN) = (market, IOracle(config.oracle), IERC20(config.token));
        DEVIATION = ORACLE.deviation();
        INSTRUMENT = IInstrument(config.instrument);
        UNIT = 10 ** (36 - IERC20Metadata(config.token).decimals());
        (HAS_CARRY, IS_LINEAR) = (INSTRUMENT.hasCarry(), INSTRUMENT.isLinear());
        (DELAY, TIME_TO_LIVE) = (config.delay, config.timeToLive);
        (SMALLEST_RESERVE, LARGEST_RESERVE) = (config.smallestReserve, config.largestReserve);
        (EXIT_FEE, LARGEST_UTILISATION) = (config.keeperFloor, config.largestUtilisation);
        // slither-disable-next-line unused-return
        (uint256 index,) = ORACLE.latest();
        _funds.index = index.floor();
    }

    modifier onlyMarket() {
        if (msg.sender != address(MARKET)) revert NotMarket(msg.sender);
        _;
    }

    // ---------------------------------------------------------------- worth

    /// @inheritdoc IPool
    function worth(uint256 index, uint256 time) public view returns (uint256) {
        (uint256 value,) = _value(index, time, block.timestamp, Mover.None);
        return value;
    }

    /// @dev Worth, and what it may be off by, against who moves: what the feed may hide, abs(net size) x index x deviation, and where
    /// the cost of a position lies in its fill, what the pool would ask to trade the open sizes away. Whoever owns nearly all of
    /// the pool for a moment would otherwise be paid the premium of his own trade.
    function _value(uint256 index, uint256 time, uint256 until, Mover mover)
        private
        view
        returns (uint256 value, uint256 doubt)
    {
        uint256 held = _held();
        int256 net = int256(held);
        uint256 atRisk;
        uint256 exposed; // pending orders do not count: they cost too little to be let near anybody's price
        for (uint256 lanes = IS_LINEAR ? 1 << 24 : MARKET.liveSeries(); lanes != 0; lanes >>= 25) {
            uint24 id = uint24(lanes);
            Series memory series = MARKET.seriesOf(id);
            net -= series.gain(IS_LINEAR ? index : INSTRUMENT.mark(id, index, time), index, until, UNIT);
            atRisk += series.reserves();
            (uint256 long, uint256 short) = Book.open(series.sizes);
            exposed += long > short ? long - short : short - long;
            if (!HAS_CARRY && mover != Mover.None) {
                doubt += _spread(Snapshot(id, index, time, long, short, 0, 0), mover);
            }
        }
        value = net > 0 ? uint256(net) : 0;
        if (mover == Mover.None) return (value, 0);
        doubt += PositionMath.mulUp(PositionMath.valueDown(exposed, index, UNIT), DEVIATION, ONE);
        // With every reserve won the pool is worth its holdings less these: nobody leaves with less.
        if (mover == Mover.Leaver) doubt = Math.min(doubt, (value + atRisk).saturatingSub(held));
    }

    /// @dev What the open sizes of a series would fill at beyond their mark. For who leaves as if they were opened once more: the pool
    /// may be worth that much less. For who enters as if they were closed: that much more. Each side for itself: of a pair that
    /// cancels, one half may go without a premium (closeAtReserve). Asked as of a pool of which nothing is bound: what is bound one
    /// order moves for a fee, while somebody else leaves.
    function _spread(Snapshot memory s, Mover mover) private view returns (uint256) {
        (int256 long, int256 short) = (int256(s.long), -int256(s.short));
        if (mover == Mover.Entrant) (long, short) = (-long, -short);
        return _premiumUp(s, long) + _premiumUp(s, short);
    }

    /// @dev In favour of who stays.
    function _premiumUp(Snapshot memory s, int256 size) private view returns (uint256) {
        if (size == 0) return 0;
        return PositionMath.feeUp(INSTRUMENT.premium(s, size), PositionMath.abs(size), s.index, UNIT);
    }

    /// @notice Worth at the newest price; where there is none, what the pool holds before gains. Never reverts.
    function totalAssets() public view override(ERC4626, IERC4626) returns (uint256) {
        if (_funds.busy == 0) return _held();
        try ORACLE.latest() returns (uint256 index, uint256 time) {
            try this.worth(index, time) returns (uint256 net) {
                return net;
            } catch {
                return _held();
            }
        } catch {
            return _held();
        }
    }

    /// @inheritdoc IPool
    function liquidity() external view returns (uint256, uint256) {
        Funds memory funds = _funds;
        return (funds.committed, funds.idle);
    }

    /// @inheritdoc IPool
    function lastIndex() external view returns (uint256) {
        return _funds.index.value();
    }

    /// @inheritdoc IPool
    function dueExits() public view returns (uint256) {
        if (!_funds.exiting) return 0;
        return uint256(_exitShares).mulDiv(_held() + 1, totalSupply() + VIRTUAL_SHARES, Math.Rounding.Ceil);
    }

    /// @notice A request to leave and the first one in line.
    function exitOf(uint256 id) external view returns (Exit memory exit, uint256 first) {
        return (_exits[id], _firstExit);
    }

    function _held() private view returns (uint256) {
        Funds memory funds = _funds;
        return uint256(funds.idle) + funds.committed + (funds.owed ? _claims : 0);
    }

    // ---------------------------------------------------------------- entry

    /// @inheritdoc ERC4626
    function deposit(uint256 assets, address receiver)
        public
        override(ERC4626, IERC4626)
        nonReentrant
        returns (uint256 shares)
    {
        return _deposit(assets, receiver, 0);
    }

    /// @inheritdoc IPool
    function depositAtLeast(uint256 assets, address receiver, uint256 least)
        external
        nonReentrant
        returns (uint256 shares)
    {
        return _deposit(assets, receiver, least);
    }

    function _deposit(uint256 assets, address receiver, uint256 least) private returns (uint256 shares) {
        shares = previewDeposit(assets);
        if (shares < least) revert SharesBelowLeast(shares, least);
        _enter(assets, shares, receiver);
    }

    /// @inheritdoc ERC4626
    function mint(uint256 shares, address receiver)
        public
        override(ERC4626, IERC4626)
        nonReentrant
        returns (uint256 assets)
    {
        assets = previewMint(shares);
        _enter(assets, shares, receiver);
    }

    /// @notice Shares for an entry now, rounded down.
    function previewDeposit(uint256 assets) public view override(ERC4626, IERC4626) returns (uint256) {
        return assets.mulDiv(totalSupply() + VIRTUAL_SHARES, _entryWorth() + 1);
    }

    /// @notice Token units that an entry costs now, rounded up.
    function previewMint(uint256 shares) public view override(ERC4626, IERC4626) returns (uint256) {
        return shares.mulDiv(_entryWorth() + 1, totalSupply() + VIRTUAL_SHARES, Math.Rounding.Ceil);
    }

    /// @notice What the pool still takes in; 0 while there is no valid price to enter at.
    function maxDeposit(address) public view override(ERC4626, IERC4626) returns (uint256) {
        // slither-disable-next-line unused-return
        try this.previewDeposit(1) returns (uint256) {
            return CAPACITY.saturatingSub(_funds.idle);
        } catch {
            return 0;
        }
    }

    /// @notice The same in shares.
    function maxMint(address receiver) public view override(ERC4626, IERC4626) returns (uint256) {
        uint256 assets = maxDeposit(receiver);
        return assets == 0 ? 0 : previewDeposit(assets);
    }

    function _entryWorth() private view returns (uint256) {
        if (_funds.busy == 0) return _held();
        (uint256 index, uint256 time) = ORACLE.latest();
        (uint256 value, uint256 doubt) = _value(index, time, block.timestamp, Mover.Entrant);
        return value + doubt;
    }

    function _enter(uint256 assets, uint256 shares, address receiver) private {
        if (shares == 0) revert SharesTooFew(shares);
        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), assets);
        uint256 received = TOKEN.balanceOf(address(this)) - before;
        if (received < assets) revert IMarket.TransferShort(received, assets);
        // Half of what the word holds is left to what positions bring.
        if (_funds.idle + assets > CAPACITY) revert ERC4626ExceededMaxDeposit(receiver, assets, maxDeposit(receiver));
        _funds.idle += uint88(assets);
        _entered = true;
        _mint(receiver, shares);
        emit Deposit(msg.sender, receiver, assets, shares);
    }

    // ---------------------------------------------------------------- exit

    /// @notice At once while nothing is open or pending.
    function redeem(uint256 shares, address receiver, address owner)
        public
        override(ERC4626, IERC4626)
        nonReentrant
        returns (uint256 assets)
    {
        assets = previewRedeem(shares);
        _leave(assets, shares, receiver, owner);
    }

    /// @notice At once while nothing is open or pending.
    function withdraw(uint256 assets, address receiver, address owner)
        public
        override(ERC4626, IERC4626)
        nonReentrant
        returns (uint256 shares)
    {
        shares = previewWithdraw(assets);
        _leave(assets, shares, receiver, owner);
    }

    /// @notice What leaving at once pays, rounded down. Reverts where leaving is by request.
    function previewRedeem(uint256 shares) public view override(ERC4626, IERC4626) returns (uint256) {
        if (!_quiet()) revert ExitByRequest();
        return shares.mulDiv(_held() + 1, totalSupply() + VIRTUAL_SHARES);
    }

    /// @notice Shares that leaving at once costs, rounded up. Reverts where leaving is by request.
    function previewWithdraw(uint256 assets) public view override(ERC4626, IERC4626) returns (uint256) {
        if (!_quiet()) revert ExitByRequest();
        return assets.mulDiv(totalSupply() + VIRTUAL_SHARES, _held() + 1, Math.Rounding.Ceil);
    }

    function maxRedeem(address owner) public view override(ERC4626, IERC4626) returns (uint256) {
        return _quiet() ? balanceOf(owner) : 0;
    }

    /// @dev Nothing is open, pending, unpaid or asked for: all that the pool holds is idle, and its worth is no secret.
    function _quiet() private view returns (bool) {
        Funds memory funds = _funds;
        return funds.busy == 0 && !funds.owed && !funds.exiting && !_entered;
    }

    function maxWithdraw(address owner) public view override(ERC4626, IERC4626) returns (uint256) {
        uint256 shares = maxRedeem(owner);
        return shares == 0 ? 0 : previewRedeem(shares);
    }

    function _leave(uint256 assets, uint256 shares, address receiver, address owner) private {
        if (msg.sender != owner) _spendAllowance(owner, msg.sender, shares);
        _burn(owner, shares);
        _funds.idle -= assets.toUint88();
        emit Withdraw(msg.sender, receiver, owner, assets, shares);
        TOKEN.safeTransfer(receiver, assets);
    }

    /// @inheritdoc IPool
    function requestRedeem(uint256 shares, uint256 least) external nonReentrant returns (uint256 id) {
        if (_entered) revert EnteredNow();
        // The keeper who carries the exit out is paid from it: dust would block the line for nothing.
        if (shares == 0 || shares.mulDiv(_held() + 1, totalSupply() + VIRTUAL_SHARES) < 2 * EXIT_FEE) {
            revert SharesTooFew(shares);
        }
        id = _nextExit++;
        _exits[id] = Exit(msg.sender, uint32(block.timestamp), _phase(), shares.toUint128(), least.toUint128());
        _exitShares += shares.toUint128();
        _funds.exiting = true;
        _transfer(msg.sender, address(this), shares);
        emit ExitRequested(id, msg.sender, shares, least);
    }

    /// @inheritdoc IPool
    function executeExit(bytes calldata proof) external nonReentrant returns (uint256 shares, uint256 assets) {
        uint256 id = _firstExit;
        if (id == _nextExit) revert NothingToRedeem();
        Exit memory exit = _exits[id];
        (bool priced, uint256 price) = _exitWorth(exit, proof);
        if (!priced) {
            // Nobody's price may hold up the line: the request counts from now.
            _renew(id);
            emit ExitRenewed(id);
            return (0, 0);
        }
        // Worth nothing for the moment is no price to leave at; with nothing open it is final.
        if (price == 0 && _funds.busy != 0) revert NothingToRedeem();
        price += 1;
        uint256 supply = totalSupply() + VIRTUAL_SHARES;
        shares = exit.shares;
        assets = shares.mulDiv(price, supply);
        uint256 idle = _funds.idle;
        if (assets > idle) {
            shares = idle.mulDiv(supply, price);
            assets = shares.mulDiv(price, supply);
            // A part must be worth the keeper's fee many times: who comes for dust gets nothing.
            if (assets < 10 * EXIT_FEE) revert NothingToRedeem();
        }
        uint256 keeperFee = Math.min(EXIT_FEE, assets / 2);
        if ((assets - keeperFee) * exit.shares < uint256(exit.least) * shares) {
            _void(id, exit, assets - keeperFee, keeperFee, keeperFee.mulDiv(supply, price, Math.Rounding.Ceil));
            return (0, 0);
        }
        _dequeue(id, exit, shares);
        _funds.idle -= uint88(assets);
        _burn(address(this), shares);
        emit ExitPaid(id, exit.owner, shares, assets - keeperFee, keeperFee);
        if (!TOKEN.trySafeTransfer(exit.owner, assets - keeperFee)) {
            _kept[exit.owner] += assets - keeperFee;
            emit ExitKept(exit.owner, assets - keeperFee);
        }
        _payKeeper(msg.sender, keeperFee);
    }

    /// @dev Who wants more than the price gives has the shares back, less those that pay the keeper.
    function _void(uint256 id, Exit memory exit, uint256 assets, uint256 keeperFee, uint256 burned) private {
        _dequeue(id, exit, exit.shares);
        _funds.idle -= uint88(keeperFee);
        _burn(address(this), burned);
        _transfer(address(this), exit.owner, exit.shares - burned);
        emit ExitVoid(id, exit.owner, exit.shares - burned, assets, keeperFee);
        _payKeeper(msg.sender, keeperFee);
    }

    /// @dev What is left of a request stays first in line and is repriced.
    function _dequeue(uint256 id, Exit memory exit, uint256 shares) private {
        uint256 rest = exit.shares - shares;
        if (rest == 0) {
            delete _exits[id];
            _firstExit = uint128(id + 1);
        } else {
            _exits[id].least = uint128(uint256(exit.least).mulDiv(rest, exit.shares, Math.Rounding.Ceil));
            _exits[id].shares = uint128(rest);
            _renew(id);
        }
        _exitShares -= uint128(shares);
        if (_exitShares == 0) _funds.exiting = false;
    }

    function _renew(uint256 id) private {
        _exits[id].requestedAt = uint32(block.timestamp);
        _exits[id].phase = _phase();
    }

    /// @dev After the end of the oracle no proof is needed any more.
    function _phase() private view returns (uint16) {
        // slither-disable-next-line unused-return
        (bool ended,,) = ORACLE.finalPrice();
        return ended ? 0 : ORACLE.commitment();
    }

    /// @dev The lower of the worth at the first price after the request and at the newest, each less what it may be off by.
    function _exitWorth(Exit memory exit, bytes calldata proof) private view returns (bool priced, uint256 value) {
        if (_funds.busy == 0) return (true, _held());
        (bool ended, uint256 index, uint256 time) = ORACLE.finalPrice();
        if (ended) {
            (value,) = _value(index, time, time, Mover.None);
            return (true, value);
        }
        uint256 due = exit.requestedAt + DELAY;
        if (proof.length == 0 && block.timestamp > due + TIME_TO_LIVE) return (false, 0);
        bool undisputed;
        (index, time, undisputed) = ORACLE.firstAfter(exit.phase, due, proof);
        if (!undisputed) return (false, 0);
        uint256 first = _exitValue(index, time);
        (index, time) = ORACLE.latest();
        return (true, Math.min(first, _exitValue(index, time)));
    }

    function _exitValue(uint256 index, uint256 time) private view returns (uint256) {
        (uint256 value, uint256 doubt) = _value(index, time, block.timestamp, Mover.Leaver);
        return value.saturatingSub(doubt);
    }

    /// @inheritdoc IPool
    function claimExit(address to) external nonReentrant returns (uint256 assets) {
        assets = _kept[msg.sender];
        if (assets == 0) revert NothingToRedeem();
        _kept[msg.sender] = 0;
        TOKEN.safeTransfer(to, assets);
    }

    // ---------------------------------------------------------------- the market's orders

    /// @inheritdoc IPool
    /// @dev Bounds go by an honest notional, at the index of the last trade or above: no order may bind more than it could ever
    /// use.
    function earmark(uint256 amount, uint256 size, uint256 high)
        external
        onlyMarket
        nonReentrant
        returns (uint256 committed, uint256 idle, uint256 last)
    {
        Funds memory funds = _funds;
        last = funds.index.value();
        uint256 top = Math.max(last, high);
        uint256 lowest;
        if (high != 0) {
            lowest = PositionMath.feeUp(SMALLEST_RESERVE, size, top, UNIT);
            ++funds.busy;
        }
        uint256 highest = PositionMath.feeUp(LARGEST_RESERVE, size, top, UNIT);
        if (amount < lowest || amount > highest) revert IMarket.ReserveOutOfBounds(amount, lowest, highest);
        uint256 free = uint256(funds.idle).saturatingSub(dueExits());
        (committed, idle) = (funds.committed + amount, uint256(funds.idle).saturatingSub(amount));
        if (amount > free || committed > CAPACITY) revert LiquidityShort(amount, free);
        uint256 utilisation = Math.mulDiv(committed, ONE, Math.max(_held(), 1));
        if (utilisation > LARGEST_UTILISATION) revert UtilisationAboveCap(utilisation, LARGEST_UTILISATION);
        (funds.committed, funds.idle) = (uint88(committed), uint88(idle));
        _funds = funds;
    }

    /// @inheritdoc IPool
    function move(Flow calldata flow)
        external
        onlyMarket
        nonReentrant
        returns (bool done, uint256 committed, uint256 idle)
    {
        if (flow.sent != 0 && !TOKEN.trySafeTransfer(flow.vault, flow.sent)) return (false, 0, 0);
        // A keeper that the token refuses to pay forgoes its fee: nobody else's call may fail for it.
        uint256 paid = flow.keeperFee != 0 && TOKEN.trySafeTransfer(flow.keeper, flow.keeperFee) ? flow.keeperFee : 0;
        Funds memory funds = _funds;
        committed = funds.committed + flow.added - flow.freed - flow.released;
        idle = funds.idle + flow.freed + flow.received - flow.sent - paid;
        // What no word holds belongs to nobody; nothing may stop an exit.
        (funds.committed, funds.idle) = (uint88(committed), uint88(Math.min(idle, type(uint88).max)));
        funds.busy -= uint24(flow.ended);
        if (flow.index != 0) funds.index = flow.index.floor();
        if (flow.unpaid != 0) {
            _claims += flow.unpaid.toUint128();
            funds.owed = true;
        }
        _funds = funds;
        done = true;
    }

    /// @inheritdoc IPool
    function collectClaim(uint256 amount) external onlyMarket nonReentrant {
        _claims -= amount.toUint128();
        _funds.owed = _claims != 0;
        _funds.idle = uint88(Math.min(_funds.idle + amount, type(uint88).max));
    }

    function _payKeeper(address keeper, uint256 fee) private {
        if (fee != 0 && !TOKEN.trySafeTransfer(keeper, fee)) _funds.idle += uint88(fee);
    }

    function _decimalsOffset() internal pure override returns (uint8) {
        return 6;
    }
}
// slither-disable-end incorrect-equality
