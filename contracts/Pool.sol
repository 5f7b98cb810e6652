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
import {IMarket, MarketConfig, Position} from "./interfaces/IMarket.sol";
import {IOracle} from "./interfaces/IOracle.sol";
import {IPool, Flow} from "./interfaces/IPool.sol";
import {Book, Carry, Series} from "./libraries/Book.sol";
import {PositionMath} from "./libraries/PositionMath.sol";

/// @title Liquidity: the counterparty of one market.
/// @dev Idle is counted, never read from a balance: donations belong to nobody.
/// Strict comparisons are of shares of a request and of sums that the pool keeps itself, never of a balance: hence the exception.
// slither-disable-start incorrect-equality
contract Pool is IPool, ERC4626, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using SafeCast for int256;
    using Math for uint256;
    using Book for Series;
    using Book for Carry;

    uint256 private constant ONE = 1e18;
    /// @dev The worth visits every live series.
    uint256 private constant MAX_SERIES = 16;
    uint256 private constant VIRTUAL_SHARES = 1e6;

    IMarket private immutable MARKET;
    IOracle private immutable ORACLE;
    IInstrument private immutable INSTRUMENT;
    IERC20 private immutable TOKEN;
    bool private immutable HAS_CARRY;
    uint256 private immutable UNIT;
    uint256 private immutable DELAY;
    uint256 private immutable EXIT_FEE;
    uint256 private immutable LARGEST_UTILISATION;
    uint256 private immutable SMALLEST_RESERVE;
    uint256 private immutable LARGEST_RESERVE;
    uint256 private immutable TIME_TO_LIVE;

    uint128 private _idle;
    uint128 private _committed;
    uint128 private _claims;
    uint128 private _exitShares;
    /// @dev Positions open or pending: reserves alone do not tell, an instrument with a cap may need none.
    uint256 private _busy;
    mapping(uint24 id => Series) private _series;
    uint24[] private _live;
    mapping(uint256 id => Exit) private _exits;
    mapping(address owner => uint256) private _kept;
    uint256 private _firstExit;
    uint256 private _nextExit;

    /// @param config the market's, checked by the factory; the floor of a keeper's fee pays for an exit too
    constructor(IMarket market, MarketConfig memory config)
        ERC20("Bulkhead Pool", "BLKP")
        ERC4626(IERC20(config.token))
    {
        (MARKET, ORACLE, TOKEN) = (market, IOracle(config.oracle), IERC20(config.token));
        INSTRUMENT = IInstrument(config.instrument);
        HAS_CARRY = IInstrument(config.instrument).hasCarry();
        UNIT = 10 ** (36 - IERC20Metadata(config.token).decimals());
        (DELAY, TIME_TO_LIVE) = (config.delay, config.timeToLive);
        (SMALLEST_RESERVE, LARGEST_RESERVE) = (config.smallestReserve, config.largestReserve);
        (EXIT_FEE, LARGEST_UTILISATION) = (config.keeperFloor, config.largestUtilisation);
    }

    modifier onlyMarket() {
        if (msg.sender != address(MARKET)) revert NotMarket(msg.sender);
        _;
    }

    // ---------------------------------------------------------------- worth

    /// @inheritdoc IPool
    function worth(uint256 index, uint256 time) public view returns (uint256) {
        (uint256 value,) = _value(index, time, block.timestamp);
        return value;
    }

    /// @dev Worth, and what the feed may hide about it: abs(net size) x index x deviation.
    function _value(uint256 index, uint256 time, uint256 carryTime)
        private
        view
        returns (uint256 value, uint256 hidden)
    {
        MARKET.requireIdle();
        int256 net = int256(_held());
        for (uint256 i; i < _live.length; ++i) {
            Series storage series = _series[_live[i]];
            net -= series.gain(INSTRUMENT.mark(_live[i], index, time), index, carryTime, UNIT);
            (uint256 long, uint256 short) = (series.long.size, series.short.size);
            hidden += long > short ? long - short : short - long;
        }
        value = net > 0 ? uint256(net) : 0;
        hidden = hidden.mulDiv(index, UNIT).mulDiv(ORACLE.deviation(), ONE, Math.Rounding.Ceil);
    }

    /// @notice Worth at the newest price; where there is none, what the pool holds before gains. Never reverts.
    function totalAssets() public view override(ERC4626, IERC4626) returns (uint256) {
        if (_busy == 0) return _held();
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

    /// @notice The series in which something is open or pending.
    function liveSeries() external view returns (uint24[] memory) {
        return _live;
    }

    /// @notice The aggregates of a series.
    function seriesOf(uint24 id) external view returns (Series memory) {
        return _series[id];
    }

    /// @inheritdoc IPool
    function liquidity() external view returns (uint256, uint256) {
        return (_committed, _idle);
    }

    /// @inheritdoc IPool
    function dueExits() public view returns (uint256) {
        if (_exitShares == 0) return 0;
        return uint256(_exitShares).mulDiv(_held() + 1, totalSupply() + VIRTUAL_SHARES, Math.Rounding.Ceil);
    }

    /// @notice A request to leave and the first one in line.
    function exitOf(uint256 id) external view returns (Exit memory exit, uint256 first) {
        return (_exits[id], _firstExit);
    }

    function _held() private view returns (uint256) {
        return uint256(_idle) + _committed + _claims;
    }

    // ---------------------------------------------------------------- entry

    /// @inheritdoc ERC4626
    function deposit(uint256 assets, address receiver)
        public
        override(ERC4626, IERC4626)
        nonReentrant
        returns (uint256 shares)
    {
        shares = previewDeposit(assets);
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

    function _entryWorth() private view returns (uint256) {
        if (_busy == 0) return _held();
        (uint256 index, uint256 time) = ORACLE.latest();
        (uint256 value, uint256 hidden) = _value(index, time, block.timestamp);
        return value + hidden;
    }

    function _enter(uint256 assets, uint256 shares, address receiver) private {
        if (shares == 0) revert SharesTooFew(shares);
        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), assets);
        uint256 received = TOKEN.balanceOf(address(this)) - before;
        if (received < assets) revert IMarket.TransferShort(received, assets);
        _idle += assets.toUint128();
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
        if (_busy != 0 || _claims != 0 || _exitShares != 0) revert ExitByRequest();
        return shares.mulDiv(_held() + 1, totalSupply() + VIRTUAL_SHARES);
    }

    /// @notice Shares that leaving at once costs, rounded up. Reverts where leaving is by request.
    function previewWithdraw(uint256 assets) public view override(ERC4626, IERC4626) returns (uint256) {
        if (_busy != 0 || _claims != 0 || _exitShares != 0) revert ExitByRequest();
        return assets.mulDiv(totalSupply() + VIRTUAL_SHARES, _held() + 1, Math.Rounding.Ceil);
    }

    function maxRedeem(address owner) public view override(ERC4626, IERC4626) returns (uint256) {
        return _busy != 0 || _claims != 0 || _exitShares != 0 ? 0 : balanceOf(owner);
    }

    function maxWithdraw(address owner) public view override(ERC4626, IERC4626) returns (uint256) {
        uint256 shares = maxRedeem(owner);
        return shares == 0 ? 0 : previewRedeem(shares);
    }

    function _leave(uint256 assets, uint256 shares, address receiver, address owner) private {
        if (msg.sender != owner) _spendAllowance(owner, msg.sender, shares);
        _burn(owner, shares);
        _idle -= assets.toUint128();
        emit Withdraw(msg.sender, receiver, owner, assets, shares);
        TOKEN.safeTransfer(receiver, assets);
    }

    /// @inheritdoc IPool
    function requestRedeem(uint256 shares) external nonReentrant returns (uint256 id) {
        // The keeper who carries the exit out is paid from it: dust would block the line for nothing.
        if (shares == 0 || shares.mulDiv(_held() + 1, totalSupply() + VIRTUAL_SHARES) < 2 * EXIT_FEE) {
            revert SharesTooFew(shares);
        }
        id = _nextExit++;
        _exits[id] = Exit(msg.sender, uint32(block.timestamp), _phase(), shares.toUint128());
        _exitShares += shares.toUint128();
        _transfer(msg.sender, address(this), shares);
        emit ExitRequested(id, msg.sender, shares);
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
        if (price == 0 && _busy != 0) revert NothingToRedeem();
        price += 1;
        uint256 supply = totalSupply() + VIRTUAL_SHARES;
        shares = exit.shares;
        assets = shares.mulDiv(price, supply);
        if (assets > _idle) {
            shares = uint256(_idle).mulDiv(supply, price);
            assets = shares.mulDiv(price, supply);
            // A part must be worth the keeper's fee many times: who comes for dust gets nothing.
            if (assets < 10 * EXIT_FEE) revert NothingToRedeem();
            // The rest stays first in line and is repriced.
            _exits[id].shares = uint128(exit.shares - shares);
            _renew(id);
        } else {
            delete _exits[id];
            _firstExit = id + 1;
        }
        uint256 keeperFee = Math.min(EXIT_FEE, assets / 2);
        _exitShares -= uint128(shares);
        _idle -= uint128(assets);
        _burn(address(this), shares);
        emit ExitPaid(id, exit.owner, shares, assets - keeperFee, keeperFee);
        if (!TOKEN.trySafeTransfer(exit.owner, assets - keeperFee)) {
            _kept[exit.owner] += assets - keeperFee;
            emit ExitKept(exit.owner, assets - keeperFee);
        }
        _payKeeper(msg.sender, keeperFee);
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

    /// @dev The lower of the worth at the first price after the request and at the newest, less what the feed may hide.
    function _exitWorth(Exit memory exit, bytes calldata proof) private view returns (bool priced, uint256 value) {
        if (_busy == 0) return (true, _held());
        (bool ended, uint256 index, uint256 time) = ORACLE.finalPrice();
        if (ended) {
            (value,) = _value(index, time, time);
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
        (uint256 value, uint256 hidden) = _value(index, time, block.timestamp);
        return value.saturatingSub(hidden);
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
    function stateOf(uint24 id) external view returns (Snapshot memory state, Carry memory carry) {
        Series storage series = _series[id];
        return (_snapshot(id, series), series.carryAt(block.timestamp));
    }

    /// @inheritdoc IPool
    function commit(uint24 id, int256 change, uint256 amount, uint256 size, uint256 high)
        external
        onlyMarket
        nonReentrant
        returns (Snapshot memory state, uint256 premium)
    {
        if (!INSTRUMENT.isOpen(id, block.timestamp)) revert SeriesNotOpen(id, block.timestamp);
        if (high != 0) ++_busy;
        if (high != 0 || amount != 0) _earmark(amount, size, high);
        Series storage series = _series[id];
        if (!series.live) _list(id, series);
        state = _snapshot(id, series);
        if (change == 0) return (state, 0);
        // Pending orders of the same side count, so that no phantom order cheapens another.
        (uint256 long, uint256 short) = (state.long, state.short);
        if (change > 0) state.long += series.pendingBuys;
        else state.short += series.pendingSells;
        premium = INSTRUMENT.premium(state, change);
        state.long = long;
        state.short = short;
        if (change > 0) series.pendingBuys += uint256(change).toUint128();
        else series.pendingSells += uint256(-change).toUint128();
    }

    /// @inheritdoc IPool
    function post(address vault, Position calldata old, Position calldata current, Flow calldata flow)
        external
        onlyMarket
        nonReentrant
        returns (bool, uint256)
    {
        if (flow.sent != 0 && !TOKEN.trySafeTransfer(vault, flow.sent)) return (false, 0);
        uint24 id = old.size != 0 ? old.series : current.series;
        Series storage series = _series[id];
        if (current.size == 0) --_busy;
        if (flow.unpend > 0) series.pendingBuys -= uint128(uint256(flow.unpend));
        else if (flow.unpend < 0) series.pendingSells -= uint128(uint256(-flow.unpend));

        Position memory opened = current;
        if (flow.index != 0) {
            // A trade sets new rates: the past is settled at the old ones first.
            Carry memory carry = series.accrue(block.timestamp);
            if (old.size == 0) opened.band = carry.packed(current.size > 0);
        }
        if (old.size != 0) series.remove(old, UNIT);
        if (current.size != 0) series.add(opened, UNIT);

        uint256 paid = flow.unpaid == 0 && flow.keeperFee != 0 && TOKEN.trySafeTransfer(flow.keeper, flow.keeperFee)
            ? flow.keeperFee
            : 0; // a keeper that the token refuses to pay forgoes its fee: nobody else's call may fail for it
        _committed = (uint256(_committed) + current.reserve - old.reserve - flow.freed).toUint128();
        _idle = (uint256(_idle) + flow.freed + flow.received - flow.sent - paid).toUint128();
        if (flow.unpaid != 0) _claims += flow.unpaid.toUint128();
        if (flow.index != 0 && HAS_CARRY) _reprice(id, series, flow.index);
        if (!HAS_CARRY) _retire(id, series);
        return (true, opened.band);
    }

    /// @dev Bounds go by an honest notional, at the newest index or above: no order may bind more than it could ever use.
    function _earmark(uint256 amount, uint256 size, uint256 high) private {
        // slither-disable-next-line unused-return
        (uint256 index,) = ORACLE.latest();
        if (high != 0 && high < index) revert BandBelowIndex(high, index);
        uint256 top = Math.max(high, index);
        uint256 lowest = high == 0 ? 0 : PositionMath.feeUp(SMALLEST_RESERVE, size, top, UNIT);
        uint256 highest = PositionMath.feeUp(LARGEST_RESERVE, size, top, UNIT);
        if (amount < lowest || amount > highest) revert IMarket.ReserveOutOfBounds(amount, lowest, highest);
        uint256 free = uint256(_idle).saturatingSub(dueExits());
        if (amount > free) revert LiquidityShort(amount, free);
        uint256 utilisation = Math.mulDiv(_committed + amount, ONE, Math.max(_held(), 1));
        if (utilisation > LARGEST_UTILISATION) revert UtilisationAboveCap(utilisation, LARGEST_UTILISATION);
        _committed += amount.toUint128();
        _idle -= uint128(amount);
    }

    /// @dev A trade fixes the rates of carry until the next one.
    function _reprice(uint24 id, Series storage series, uint256 index) private {
        Snapshot memory state = _snapshot(id, series);
        (state.index, state.time) = (index, block.timestamp);
        (int256 long, int256 short, uint256 borrow) = INSTRUMENT.carry(state);
        (series.longRate, series.shortRate, series.borrowRate) = (long.toInt56(), short.toInt56(), borrow.toUint64());
        series.ratesAt = uint32(block.timestamp);
    }

    function _snapshot(uint24 id, Series storage series) private view returns (Snapshot memory) {
        return Snapshot({
            series: id,
            index: 0,
            time: block.timestamp,
            long: series.long.size,
            short: series.short.size,
            reserved: _committed,
            idle: _idle,
            borrowRate: series.borrowRate,
            elapsed: block.timestamp - series.ratesAt
        });
    }

    function _list(uint24 id, Series storage series) private {
        if (_live.length == MAX_SERIES) revert SeriesNotOpen(id, block.timestamp);
        series.live = true;
        _live.push(id);
    }

    /// @dev A family without carry has several series, and they expire: one in which nothing is left leaves the sum.
    function _retire(uint24 id, Series storage series) private {
        if (series.long.size | series.short.size | series.pendingBuys | series.pendingSells != 0) return;
        series.live = false;
        for (uint256 i; i < _live.length; ++i) {
            if (_live[i] != id) continue;
            _live[i] = _live[_live.length - 1];
            _live.pop();
            return;
        }
    }

    /// @inheritdoc IPool
    function freeze(uint24 id, uint256 time) external onlyMarket nonReentrant {
        _series[id].freeze(time);
    }

    /// @inheritdoc IPool
    function collectClaim(uint256 amount) external onlyMarket nonReentrant {
        _claims -= amount.toUint128();
        _idle += amount.toUint128();
    }

    function _payKeeper(address keeper, uint256 fee) private {
        if (fee != 0 && !TOKEN.trySafeTransfer(keeper, fee)) _idle += fee.toUint128();
    }

    function _decimalsOffset() internal pure override returns (uint8) {
        return 6;
    }
}
// slither-disable-end incorrect-equality
