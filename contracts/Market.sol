// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IInstrument, Snapshot} from "./interfaces/IInstrument.sol";
import {IMarginModel} from "./interfaces/IMarginModel.sol";
import {
    Action,
    ExitKind,
    IMarket,
    Leg,
    MarketConfig,
    Order,
    OrderKind,
    Position,
    Status,
    VoidReason
} from "./interfaces/IMarket.sol";
import {IOperators} from "./interfaces/IOperators.sol";
import {IOracle} from "./interfaces/IOracle.sol";
import {IPool, Flow} from "./interfaces/IPool.sol";
import {IPositionVault} from "./interfaces/IPositionVault.sol";
import {Book, Carry, Series} from "./libraries/Book.sol";
import {traderOf} from "./libraries/CloneArgument.sol";
import {PositionMath, Split} from "./libraries/PositionMath.sol";
import {PositionStore, Words} from "./libraries/PositionStore.sol";

/// @title Orders, positions, liquidation and settlement; the only caller of its vaults.
/// @dev A position is named by its vault. Every function: validate, accrue, compute, write, pay.
/// Outside calls go to the market's own immutable parts and to its vaults' code, every entrance and every priced view holds the
/// transient guard, and a strict comparison is of a size, a status or a kind, never of a balance: hence these two exceptions.
// slither-disable-start reentrancy-no-eth,incorrect-equality
contract Market is IMarket, ReentrancyGuardTransient {
    using Book for Carry;
    using Book for Series;
    using PositionStore for Words;
    using SafeERC20 for IERC20;

    uint256 private constant ONE = 1e18;
    /// @dev No index is above it.
    uint256 private constant HIGHEST = type(uint112).max;
    /// @dev Token units that the roundings of one partial liquidation may eat; the fraction is taken that much larger.
    uint256 private constant ROUNDINGS = 8;

    IERC20 private immutable TOKEN;
    IOracle private immutable ORACLE;
    uint256 private immutable DEVIATION;
    IInstrument private immutable INSTRUMENT;
    IMarginModel private immutable MARGIN_MODEL;
    IOperators private immutable OPERATORS;
    IPool private immutable POOL;
    address private immutable VAULT;
    uint256 private immutable UNIT;
    bool private immutable HAS_CARRY;
    bool private immutable IS_LINEAR;
    bool private immutable LOOKS_AT_MARKET;
    uint256 private immutable DELAY;
    uint256 private immutable TIME_TO_LIVE;
    uint256 private immutable OPEN_FEE;
    uint256 private immutable CLOSE_FEE;
    uint256 private immutable PHI;
    uint256 private immutable PHI_TO_POOL;
    uint256 private immutable SMALLEST_LIQUIDATION;
    uint256 private immutable LARGEST_LIQUIDATION;
    uint256 private immutable LARGEST_RESERVE;
    uint256 private immutable KEEPER_FLOOR;
    uint256 private immutable KEEPER_CAP;
    uint256 private immutable LIQUIDATION_FEE;
    uint256 private immutable MIN_MARGIN;
    uint256 private immutable MIN_SIZE;

    mapping(address position => Words) private _positions;
    mapping(address position => Claim) private _claims;
    mapping(uint24 id => Series) private _series;
    /// @dev Live series in lanes of 25 bits, each with its top bit set: the pool's worth visits them, and reads one word for it.
    uint256 private _live;

    struct Claim {
        uint128 trader;
        uint128 pool;
    }

    /// @dev How a slice of a position leaves.
    /// @param premium rate, @param flat first claim of the keeper on the margin
    struct Terms {
        ExitKind kind;
        uint256 size;
        uint256 index;
        uint256 mark;
        uint256 premium;
        uint256 flat;
        uint256 phi;
    }

    /// @dev What the oracle said last in a batch.
    /// @param key time and phase that were asked for
    struct FirstPrice {
        uint256 key;
        uint256 index;
        uint256 time;
        bool undisputed;
    }

    /// @dev What one call changes in one series: the pool hears of it once, at the end, however many positions it was.
    struct Trade {
        bool begun;
        Snapshot state;
        Carry carry;
        Flow flow;
    }

    /// @param config_ checked by the factory, @param pool_ the market's own pool, @param vault the code of its vaults
    constructor(MarketConfig memory config_, IPool pool_, address vault) {
        TOKEN = IERC20(config_.token);
        ORACLE = IOracle(config_.oracle);
        DEVIATION = ORACLE.deviation();
        INSTRUMENT = IInstrument(config_.instrument);
        MARGIN_MODEL = IMarginModel(config_.marginModel);
        OPERATORS = IOperators(config_.operators);
        (POOL, VAULT) = (pool_, vault);
        UNIT = 10 ** (36 - IERC20Metadata(config_.token).decimals());
        (HAS_CARRY, IS_LINEAR) = (INSTRUMENT.hasCarry(), INSTRUMENT.isLinear());
        LOOKS_AT_MARKET = MARGIN_MODEL.looksAtMarket();
        (DELAY, TIME_TO_LIVE) = (config_.delay, config_.timeToLive);
        (OPEN_FEE, CLOSE_FEE) = (config_.openFee, config_.closeFee);
        (PHI, PHI_TO_POOL) = (config_.phi, config_.phiToPool);
        (SMALLEST_LIQUIDATION, LARGEST_LIQUIDATION) = (config_.smallestLiquidation, config_.largestLiquidation);
        LARGEST_RESERVE = config_.largestReserve;
        (KEEPER_FLOOR, KEEPER_CAP) = (config_.keeperFloor, config_.keeperCap);
        (LIQUIDATION_FEE, MIN_MARGIN, MIN_SIZE) = (config_.liquidationFee, config_.minMargin, config_.minSize);
    }

    // ---------------------------------------------------------------- orders

    /// @inheritdoc IMarket
    function requestOpen(address trader, Leg[] calldata legs, uint256 low, uint256 high)
        external
        nonReentrant
        returns (address[] memory positions)
    {
        if (low == 0 || low > high || high > HIGHEST) revert BandInvalid(low, high);
        Order memory order = Order(OrderKind.Open, block.timestamp, _phase(), 0, 0, low, high);
        uint256 total;
        for (uint256 i; i < legs.length; ++i) {
            total += legs[i].margin;
        }
        _authorise(trader, Action.Open, total);
        positions = new address[](legs.length);
        for (uint256 i; i < legs.length; ++i) {
            positions[i] = _commit(trader, legs[i], order);
        }
    }

    function _commit(address trader, Leg calldata leg, Order memory order) private returns (address position) {
        uint256 size = PositionMath.abs(leg.size);
        _requireSize(size);
        if (size > uint256(uint64(type(int64).max)) * PositionMath.LOT) revert AmountTooLarge(size);
        _requireMargin(leg.margin);
        Snapshot memory state;
        _look(state, leg.series);
        uint256 last;
        (state.reserved, state.idle, last) = POOL.earmark(leg.reserve, size, order.high);
        _series[leg.series].requireRoom(leg.size);
        order.amount = leg.reserve;
        order.premium = _pend(state, leg.size, leg.maxPremium);

        position = Clones.cloneWithImmutableArgs(VAULT, abi.encodePacked(trader));
        Position memory p;
        (p.margin, p.series, p.status, p.size) = (leg.margin, leg.series, Status.Pending, leg.size);
        Words storage words = _positions[position];
        words.saveState(p);
        (uint256 low, uint256 high) = words.saveOrder(order);
        last = Math.max(high, last);
        uint256 value = PositionMath.valueUp(size, last, UNIT);
        if (value > type(uint88).max) revert AmountTooLarge(value);
        _requireInitialInBand(state, leg, size, order.premium, low, last);
        emit OpenRequested(position, trader, leg, low, high, order.premium);
        // The trader called, or let this operator spend: see _authorise.
        // slither-disable-next-line arbitrary-send-erc20
        TOKEN.safeTransferFrom(trader, position, leg.margin);
        _requireHeld(position, leg.margin);
    }

    /// @dev The requirement is monotone between the ends of the band for every model worth having; both ends are asked. It is
    /// cut at the largest loss that any index of the band leaves possible. A band below the index of the last trade is held to
    /// that: no order is let near other people's prices for a notional that nothing trades at.
    function _requireInitialInBand(
        Snapshot memory state,
        Leg calldata leg,
        uint256 size,
        uint256 premium,
        uint256 bottom,
        uint256 top
    ) private view {
        uint256 low = _mark(leg.series, bottom, state.time);
        uint256 high = _mark(leg.series, top, state.time);
        uint256 worst = leg.size > 0 ? Math.max(low, high) : Math.min(low, high);
        uint256 largestLoss = _largestLoss(leg.series, leg.size, worst);
        _requireInitialAt(state, leg, size, top, high, largestLoss, premium);
        _requireInitialAt(state, leg, size, bottom, low, largestLoss, premium);
    }

    function _requireInitialAt(
        Snapshot memory state,
        Leg calldata leg,
        uint256 size,
        uint256 index,
        uint256 mark,
        uint256 largestLoss,
        uint256 premium
    ) private view {
        state.index = index;
        uint256 costs = KEEPER_CAP + PositionMath.feeUp(OPEN_FEE + premium, size, index, UNIT);
        _requireInitial(state, mark, leg.size, int256(leg.margin) - int256(costs), largestLoss);
    }

    /// @inheritdoc IMarket
    function requestClose(address position, uint256 size, uint256 low, uint256 high, uint256 maxPremium)
        external
        nonReentrant
    {
        Position memory p = _forOrder(position, Action.Close);
        if (low > high || high > HIGHEST) revert BandInvalid(low, high);
        uint256 held = PositionMath.abs(p.size);
        uint256 closing = Math.min(size, held);
        _requireSize(closing);
        if (closing != held) {
            _requireSize(held - closing);
            _requireMargin(PositionMath.mulDown(p.margin, held - closing, held));
        }
        int256 change = p.size > 0 ? -int256(closing) : int256(closing);
        Snapshot memory state;
        _look(state, p.series);
        _askPool(state);
        uint256 premium = _pend(state, change, maxPremium);
        _order(position, OrderKind.Close, closing / PositionMath.LOT, low, high, premium);
    }

    /// @inheritdoc IMarket
    function requestRaise(address position, uint256 amount) external nonReentrant {
        Position memory p = _forOrder(position, Action.RaiseReserve);
        _requireTrading(p.series);
        // slither-disable-next-line unused-return
        POOL.earmark(amount, PositionMath.abs(p.size), 0);
        _order(position, OrderKind.RaiseReserve, amount, 0, 0, 0);
    }

    /// @dev An order needs no more of its position than the first word.
    function _forOrder(address position, Action action) private returns (Position memory p) {
        _loadOpenState(position, p);
        _authorise(traderOf(position), action, 0);
        if (_positions[position].order != 0) revert OrderPending(position);
    }

    function _order(address position, OrderKind kind, uint256 amount, uint256 low, uint256 high, uint256 premium)
        private
    {
        Order memory order = Order(kind, block.timestamp, _phase(), premium, amount, low, high);
        (low, high) = _positions[position].saveOrder(order);
        emit OrderRequested(position, kind, amount, low, high, premium);
    }

    function _requireTrading(uint24 id) private view {
        if (!_isOpen(id, block.timestamp)) revert SeriesNotOpen(id, block.timestamp);
    }

    /// @dev Prices a change of the open size and counts it as pending. Pending orders of the same side count in its price, so
    /// that no phantom order cheapens another.
    function _pend(Snapshot memory state, int256 change, uint256 limit) private returns (uint256 premium) {
        Series storage series = _series[state.series];
        _requireTrading(state.series);
        uint256 sizes = series.sizes;
        if (sizes == 0 && !series.live()) _list(state.series);
        (uint256 long, uint256 short) = (state.long, state.short);
        (uint256 buys, uint256 sells) = Book.pending(sizes);
        if (change > 0) state.long += buys;
        else state.short += sells;
        premium = Math.ceilDiv(_premium(state, change), PositionStore.PREMIUM) * PositionStore.PREMIUM;
        (state.long, state.short) = (long, short);
        limit = Math.min(limit, type(uint32).max * PositionStore.PREMIUM);
        if (premium > limit) revert PremiumAboveLimit(premium, limit);
        series.pend(change);
    }

    function _list(uint24 id) private {
        if (_live >> 225 != 0) revert SeriesNotOpen(id, block.timestamp);
        _live = _live << 25 | 1 << 24 | id;
        _stop(id, block.timestamp);
    }

    /// @dev A family without carry has several series, and they expire: one in which nothing is left leaves the sum.
    function _retire(uint24 id) private {
        if (HAS_CARRY || !_series[id].retire()) return;
        uint256 kept;
        for (uint256 rest = _live; rest != 0; rest >>= 25) {
            if (uint24(rest) != id) kept = kept << 25 | rest & 0x1ffffff;
        }
        _live = kept;
    }

    // ---------------------------------------------------------------- execution

    /// @inheritdoc IMarket
    function execute(address[] calldata positions, bytes calldata proof) external nonReentrant {
        FirstPrice memory price;
        for (uint256 i; i < positions.length; ++i) {
            _execute(positions[i], proof, price);
        }
    }

    function _execute(address position, bytes calldata proof, FirstPrice memory price) private {
        (Position memory p, Order memory order) = _positions[position].load();
        if (p.status == Status.None) revert UnknownPosition(position);
        if (order.kind == OrderKind.None) revert NoOrder(position);
        VoidReason reason = _findPrice(p.series, order, proof, price);
        (uint256 index, uint256 time) = (price.index, price.time);
        if (reason != VoidReason.None) return _void(position, p, order, reason, index);
        uint256 mark = _mark(p.series, index, time);
        if (order.kind == OrderKind.Open) return _open(position, p, order, index, mark, time);
        if (order.kind == OrderKind.RaiseReserve) return _raise(position, p, order, index, mark);
        _close(position, p, order, index, mark);
    }

    function _close(address position, Position memory p, Order memory order, uint256 index, uint256 mark) private {
        uint256 held = PositionMath.abs(p.size);
        uint256 size = Math.min(order.amount * PositionMath.LOT, held);
        if (held - size < MIN_SIZE) size = held;
        Trade memory trade;
        _begin(trade, p.series);
        uint256 fee = _keeperFee(order.requestedAt);
        _exit(position, p, order, Terms(ExitKind.Close, size, index, mark, order.premium, fee, 0), trade);
        _finish(trade);
    }

    function _open(address position, Position memory p, Order memory order, uint256 index, uint256 mark, uint256 time)
        private
    {
        uint256 keeperFee = _keeperFee(order.requestedAt);
        uint256 size = PositionMath.abs(p.size);
        uint256 fee = keeperFee + PositionMath.feeUp(OPEN_FEE, size, index, UNIT);
        uint256 entry = PositionMath.fill(mark, order.premium, index, p.size > 0);
        uint256 reserve = Math.min(p.reserve, _largestReserve(p, index, entry));
        Series storage series = _series[p.series];
        if (series.isFull(p, entry, UNIT)) return _void(position, p, order, VoidReason.FundingRefused, index);
        Trade memory trade;
        _begin(trade, p.series);
        Flow memory flow = trade.flow;
        (flow.freed, flow.keeperFee, flow.index) = (p.reserve, keeperFee, index);
        (bool funded, uint256 committed, uint256 idle) = _fund(position, flow, reserve, fee);
        if (!funded) return _void(position, p, order, VoidReason.FundingRefused, index);

        Position memory none;
        p.margin -= fee;
        (p.reserve, p.status, p.time, p.entry) = (reserve, Status.Open, time, entry);
        (p.funding, p.borrowing) = trade.carry.atEntry(p.size > 0);
        series.unpend(p.size);
        series.replace(none, p, UNIT);
        _setRates(trade, committed, idle);
        _save(position, p);
        emit Opened(position, index, entry, p.margin, reserve, fee - keeperFee, keeperFee);
    }

    /// @dev More reserve for a vault, and fees out of it: netted out of what the pool sends; what they exceed it by, the vault pays.
    function _fund(address position, Flow memory flow, uint256 added, uint256 fee)
        private
        returns (bool funded, uint256 committed, uint256 idle)
    {
        flow.added = added;
        if (fee > added) {
            flow.received = fee - added;
            (, bool paid) = _payVault(position, 0, flow.received);
            if (!paid) return (false, 0, 0);
        }
        (flow.vault, flow.sent) = (position, Math.saturatingSub(added, fee));
        return _move(flow);
    }

    /// @dev No order is a free option: where the trader's own terms made it void, it pays the open fee, at the top of its band
    /// or, where the price is known, at that if it is higher: a band that nothing trades in is no cheaper.
    function _void(address position, Position memory p, Order memory order, VoidReason reason, uint256 index) private {
        uint256 keeperFee = Math.min(_keeperFee(order.requestedAt), p.margin);
        uint256 fee;
        if ((reason == VoidReason.OutsideBand || reason == VoidReason.Unproven) && order.kind != OrderKind.RaiseReserve)
        {
            uint256 size = order.kind == OrderKind.Open ? PositionMath.abs(p.size) : order.amount * PositionMath.LOT;
            fee = Math.min(PositionMath.feeUp(OPEN_FEE, size, Math.max(order.high, index), UNIT), p.margin - keeperFee);
        }
        Flow memory flow;
        Split memory parts;
        (parts.toPool, parts.toKeeper) = (fee, keeperFee);
        _drop(p, order, flow);
        if (order.kind == OrderKind.Open) {
            parts.toTrader = p.margin - fee - keeperFee;
            flow.ended = 1;
            _positions[position].wipe();
        } else {
            _positions[position].order = 0;
            _setMargin(position, p, p.margin - fee - keeperFee);
        }
        _pay(position, parts, flow);
        _move(flow);
        _retire(p.series);
        emit OrderVoided(position, order.kind, reason, fee, keeperFee);
    }

    /// @dev At or above the old reserve the gain is known to be capped: raising the cap then would be a free gift.
    function _raise(address position, Position memory p, Order memory order, uint256 index, uint256 mark) private {
        Trade memory trade;
        _begin(trade, p.series);
        if (_gain(p, index, mark, trade.carry) >= int256(p.reserve)) {
            return _void(position, p, order, VoidReason.ReserveReached, index);
        }
        Flow memory flow = trade.flow;
        uint256 highest = Math.max(p.reserve, _largestReserve(p, index, p.entry));
        uint256 added = Math.min(order.amount, highest - p.reserve);
        uint256 keeperFee = Math.min(_keeperFee(order.requestedAt), p.margin);
        (flow.freed, flow.keeperFee, flow.index) = (order.amount, keeperFee, index);
        (bool funded, uint256 committed, uint256 idle) = _fund(position, flow, added, keeperFee);
        if (!funded) return _void(position, p, order, VoidReason.FundingRefused, index);

        Position memory old = _copy(p);
        p.margin -= keeperFee;
        p.reserve += added;
        p.borrowing = trade.carry.rebased(old, p.reserve);
        _series[p.series].replace(old, p, UNIT);
        _setRates(trade, committed, idle);
        _save(position, p);
        _positions[position].order = 0;
        emit ReserveRaised(position, index, p.reserve, keeperFee);
    }

    // ---------------------------------------------------------------- margin

    /// @inheritdoc IMarket
    function addMargin(address position, uint256 amount) external nonReentrant {
        Words storage words = _positions[position];
        uint256 state = words.state;
        if (state == 0) revert UnknownPosition(position);
        (uint256 old, uint256 margin) = words.addMargin(state, amount);
        (int256 size, uint24 id, bool open) = PositionStore.sideOf(state);
        if (open) _series[id].replaceMargin(size, old, margin);
        emit MarginChanged(position, int256(amount));
        uint256 held = _balanceOf(position);
        TOKEN.safeTransferFrom(msg.sender, position, amount);
        _requireHeld(position, held + amount);
    }

    /// @inheritdoc IMarket
    function removeMargin(address position, uint256 amount) external nonReentrant {
        Position memory p = _loadOpen(position);
        _authorise(traderOf(position), Action.RemoveMargin, 0);
        uint256 margin = Math.saturatingSub(p.margin, amount);
        _requireMargin(margin);
        if (!_covered(p, margin)) _requireInitialAfter(p, margin);
        _setMargin(position, p, margin);
        emit MarginChanged(position, -int256(amount));
        (bool paid,) = _payVault(position, amount, 0);
        if (!paid) _keep(position, amount, 0);
    }

    /// @dev Unrealised gain never counts, and the price is shocked against the caller by what the feed may hide.
    function _requireInitialAfter(Position memory p, uint256 margin) private view {
        Snapshot memory state;
        state.series = p.series;
        if (LOOKS_AT_MARKET) {
            _look(state, p.series);
            (state.reserved, state.idle) = _liquidity();
        }
        (state.index, state.time) = _latest();
        state.index = PositionMath.mulDown(state.index, p.size > 0 ? ONE - DEVIATION : ONE + DEVIATION, ONE);
        uint256 mark = _mark(p.series, state.index, state.time);
        uint256 worst = p.size > 0 ? Math.min(mark, p.entry) : Math.max(mark, p.entry);
        int256 equity = _equity(p, state.index, worst, Book.carryAt(_series[p.series].carry, block.timestamp))
            + int256(margin) - int256(p.margin);
        uint256 largestLoss = _largestLoss(p.series, p.size, mark);
        _requireInitial(state, mark, p.size, equity, largestLoss);
    }

    function _setMargin(address position, Position memory p, uint256 margin) private {
        _series[p.series].replaceMargin(p.size, p.margin, margin);
        p.margin = margin;
        _positions[position].saveState(p);
    }

    // ---------------------------------------------------------------- ends

    /// @inheritdoc IMarket
    function liquidate(address[] calldata positions) external nonReentrant returns (uint256 done) {
        (uint256 index, uint256 time) = _latest();
        Trade memory trade;
        for (uint256 i; i < positions.length; ++i) {
            if (_liquidate(positions[i], index, time, trade)) ++done;
        }
        _finish(trade);
    }

    function _liquidate(address position, uint256 index, uint256 time, Trade memory trade) private returns (bool) {
        (Position memory p, Order memory order) = _positions[position].load();
        if (p.status != Status.Open || time <= p.time) return false;
        if (order.kind == OrderKind.Close && _due(order, time)) return false;
        _turn(trade, p.series);
        (trade.state.index, trade.state.time) = (index, time);
        (trade.state.long, trade.state.short) = Book.open(_series[p.series].sizes);
        uint256 mark = _mark(p.series, index, time);
        int256 equity = _equity(p, index, mark, trade.carry);
        (uint256 maintenance, uint256 target) = _required(p, index, mark);
        if (equity >= int256(maintenance)) return false;

        uint256 held = PositionMath.abs(p.size);
        uint256 premium = Math.min(_premium(trade.state, -p.size), type(uint64).max);
        uint256 fraction = PositionMath.liquidationFractionUp(
            equity - int256(LIQUIDATION_FEE + ROUNDINGS),
            target,
            PositionMath.feeUp(CLOSE_FEE + premium, held, index, UNIT),
            PHI
        );
        fraction = Math.max(fraction, SMALLEST_LIQUIDATION);
        uint256 size = Math.ceilDiv(PositionMath.mulUp(held, fraction, ONE), PositionMath.LOT) * PositionMath.LOT;
        if (fraction > LARGEST_LIQUIDATION || held < size + MIN_SIZE) size = held;
        Terms memory terms = Terms(ExitKind.Liquidation, size, index, mark, premium, LIQUIDATION_FEE, PHI);
        _exit(position, p, order, terms, trade);
        return true;
    }

    /// @inheritdoc IMarket
    function closeAtReserve(address position) external nonReentrant {
        Position memory p = _loadOpen(position);
        Order memory order = _positions[position].loadOrder();
        (uint256 index, uint256 time) = _latest();
        if (time <= p.time) revert PriceNotLater(time, p.time);
        if (_due(order, time)) revert OrderDue(position);
        uint256 mark = _mark(p.series, index, time);
        Trade memory trade;
        _begin(trade, p.series);
        int256 gain = _gain(p, index, mark, trade.carry);
        if (gain < int256(p.reserve)) revert ReserveNotReached(position, gain, p.reserve);
        uint256 size = PositionMath.abs(p.size);
        _exit(position, p, order, Terms(ExitKind.AtReserve, size, index, mark, 0, KEEPER_FLOOR, 0), trade);
        _finish(trade);
    }

    /// @inheritdoc IMarket
    function settle(address[] calldata positions) external nonReentrant returns (uint256 done) {
        (bool ended, uint256 index, uint256 time) = _final();
        Trade memory trade;
        for (uint256 i; i < positions.length; ++i) {
            if (_settle(positions[i], ended, index, time, trade)) ++done;
        }
        _finish(trade);
    }

    function _settle(address position, bool ended, uint256 index, uint256 time, Trade memory trade)
        private
        returns (bool)
    {
        (Position memory p, Order memory order) = _positions[position].load();
        if (p.status == Status.None) return false;
        if (p.status == Status.Pending) {
            if (ended) _void(position, p, order, VoidReason.MarketEnded, index);
            return ended;
        }
        (bool known, uint256 mark, uint256 fixing) = INSTRUMENT.finalMark(p.series);
        if (!known) {
            if (!ended) return false;
            mark = _mark(p.series, index, time);
            fixing = index;
        }
        // No premium, no carry beyond the end: the outcome must not depend on who is settled first.
        if (ended) _stop(p.series, time);
        _turn(trade, p.series);
        uint256 size = PositionMath.abs(p.size);
        _exit(position, p, order, Terms(ExitKind.Settlement, size, fixing, mark, 0, KEEPER_FLOOR, 0), trade);
        return true;
    }

    /// @dev Carry stands still from `time` on: for good where the market has ended, until the first trade where a series begins.
    function _stop(uint24 id, uint256 time) private {
        Series storage series = _series[id];
        series.setRates(Book.carryAt(series.carry, time), 0, 0);
    }

    /// @dev Into a trade that the caller has made: to make another at the return would cost users 700 gas.
    function _begin(Trade memory trade, uint24 id) private view {
        (trade.begun, trade.state.series) = (true, id);
        trade.carry = Book.carryAt(_series[id].carry, block.timestamp);
    }

    /// @dev A batch comes to a position of another series.
    function _turn(Trade memory trade, uint24 id) private {
        if (trade.begun) {
            if (trade.state.series == id) return;
            _finish(trade);
            Flow memory flow;
            trade.flow = flow;
        }
        _begin(trade, id);
        _askPool(trade.state);
    }

    /// @dev Tells the pool, and fixes the rates of carry until the next trade.
    function _finish(Trade memory trade) private {
        if (!trade.begun) return;
        (, uint256 committed, uint256 idle) = _move(trade.flow);
        if (trade.flow.index != 0) _setRates(trade, committed, idle);
        _retire(trade.state.series);
    }

    function _setRates(Trade memory trade, uint256 committed, uint256 idle) private {
        if (!HAS_CARRY) return;
        Snapshot memory state = trade.state;
        Series storage series = _series[state.series];
        (state.index, state.time, state.reserved, state.idle) = (trade.flow.index, block.timestamp, committed, idle);
        (state.long, state.short) = Book.open(series.sizes);
        (uint256 rate, uint256 since) = Book.borrowRate(series.carry);
        (int256 funding, uint256 borrowing) = INSTRUMENT.carry(state, rate, block.timestamp - since);
        series.setRates(trade.carry, funding, borrowing);
    }

    /// @dev Closes a slice as if it were a position of its own, after the keeper's flat fee on the whole margin.
    function _exit(address position, Position memory p, Order memory order, Terms memory t, Trade memory trade)
        private
    {
        (Position memory slice, Position memory rest) = (_copy(p), _copy(p));
        uint256 flat = Math.min(t.flat, p.margin);
        _cut(slice, p, t.size, flat);
        (rest.size, rest.reserve) = (p.size - slice.size, p.reserve - slice.reserve);
        rest.margin = p.margin - flat - slice.margin;
        Split memory parts = PositionMath.split(
            slice.margin,
            slice.reserve,
            _equity(slice, t.index, t.mark, trade.carry),
            PositionMath.feeUp(CLOSE_FEE + t.premium, t.size, t.index, UNIT),
            t.phi,
            PHI_TO_POOL
        );
        if (t.kind == ExitKind.Liquidation && rest.size != 0) {
            rest.margin += parts.toTrader;
            parts.toTrader = 0;
        }
        parts.toKeeper += flat;
        _series[p.series].replace(p, rest, UNIT);
        // An order dies with its position, and a close with its execution.
        if (rest.size == 0 || t.kind == ExitKind.Close) _drop(p, order, trade.flow);
        if (rest.size == 0) {
            _positions[position].wipe();
            ++trade.flow.ended;
        } else {
            if (t.kind == ExitKind.Close) _positions[position].order = 0;
            _save(position, rest);
        }
        unchecked {
            // The next of a batch meets what this one leaves; nobody else looks.
            trade.state.reserved -= slice.reserve;
            trade.state.idle += parts.toPool;
        }
        trade.flow.index = t.kind == ExitKind.Settlement ? 0 : t.index;
        trade.flow.released += slice.reserve;
        _pay(position, parts, trade.flow);
        emit Exited(position, t.kind, t.size, t.index, t.mark, parts.toTrader, parts.toPool, parts.toKeeper);
    }

    /// @dev Rounded down: what does not divide stays with the position.
    function _cut(Position memory slice, Position memory p, uint256 size, uint256 flat) private pure {
        uint256 held = PositionMath.abs(p.size);
        slice.margin = PositionMath.mulDown(p.margin - flat, size, held);
        slice.reserve = PositionMath.mulDown(p.reserve, size, held);
        slice.size = p.size > 0 ? int256(size) : -int256(size);
    }

    function _save(address position, Position memory p) private {
        _positions[position].saveState(p);
        _positions[position].saveTerms(p);
    }

    /// @inheritdoc IMarket
    function claim(address position, address to) external nonReentrant {
        Claim memory owed = _claims[position];
        if (owed.trader == 0 && owed.pool == 0) revert NothingToClaim(position);
        address trader = traderOf(position);
        if (msg.sender != trader && to != trader) revert NotTrader(msg.sender, trader);
        delete _claims[position];
        // Only what its trader directs elsewhere may fail as a whole; otherwise each part is paid or kept by itself.
        Flow memory flow;
        _pay(position, Split(to == trader ? owed.trader : 0, owed.pool, 0), flow);
        if (flow.received != 0) POOL.collectClaim(flow.received);
        if (to != trader) IPositionVault(position).claim(to, owed.trader);
        emit Claimed(position, to, owed.trader - _claims[position].trader);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IMarket
    function positionOf(address position) external view returns (Position memory p) {
        // slither-disable-next-line unused-return
        (p,) = _positions[position].load();
    }

    /// @inheritdoc IMarket
    function orderOf(address position) external view returns (Order memory order) {
        // slither-disable-next-line unused-return
        (, order) = _positions[position].load();
    }

    /// @inheritdoc IMarket
    function claimable(address position) external view returns (uint256 trader, uint256 pool_) {
        return (_claims[position].trader, _claims[position].pool);
    }

    /// @inheritdoc IMarket
    function health(address position, uint256 index, uint256 time)
        external
        view
        nonReentrantView
        returns (int256 equity, uint256 maintenance, uint256 target)
    {
        Position memory p = _loadOpen(position);
        uint256 mark = _mark(p.series, index, time);
        equity = _equity(p, index, mark, Book.carryAt(_series[p.series].carry, block.timestamp));
        (maintenance, target) = _required(p, index, mark);
    }

    /// @inheritdoc IMarket
    function liveSeries() external view returns (uint256) {
        return _live;
    }

    /// @inheritdoc IMarket
    function seriesOf(uint24 id) external view nonReentrantView returns (Series memory) {
        return _series[id];
    }

    /// @inheritdoc IMarket
    function pool() external view returns (address) {
        return address(POOL);
    }

    // ---------------------------------------------------------------- shared

    // A question to another contract has one call site, however many ask it: Market has to stay below 24,000 bytes.

    function _mark(uint24 series, uint256 index, uint256 time) private view returns (uint256) {
        return IS_LINEAR ? index : INSTRUMENT.mark(series, index, time);
    }

    function _cap(uint24 series) private view returns (uint256) {
        return IS_LINEAR ? type(uint256).max : INSTRUMENT.cap(series);
    }

    function _isOpen(uint24 series, uint256 time) private view returns (bool) {
        return INSTRUMENT.isOpen(series, time);
    }

    function _premium(Snapshot memory state, int256 change) private view returns (uint256) {
        return INSTRUMENT.premium(state, change);
    }

    function _phase() private view returns (uint16) {
        return ORACLE.commitment();
    }

    function _latest() private view returns (uint256 index, uint256 time) {
        return ORACLE.latest();
    }

    function _final() private view returns (bool ended, uint256 index, uint256 time) {
        return ORACLE.finalPrice();
    }

    function _liquidity() private view returns (uint256 committed, uint256 idle) {
        return POOL.liquidity();
    }

    /// @dev By hand, which saves 200 gas each time that margin comes in. A token that does not answer is refused.
    function _balanceOf(address account) private view returns (uint256 held) {
        address token = address(TOKEN);
        assembly ("memory-safe") {
            mstore(0x00, 0x70a0823100000000000000000000000000000000000000000000000000000000) // balanceOf(address)
            mstore(0x04, account)
            if iszero(and(gt(returndatasize(), 31), staticcall(gas(), token, 0, 0x24, 0, 0x20))) {
                revert(0, 0)
            }
            held := mload(0x00)
        }
    }

    /// @dev What a market knows of a series without asking its pool.
    function _look(Snapshot memory state, uint24 id) private view {
        (state.series, state.time) = (id, block.timestamp);
        (state.long, state.short) = Book.open(_series[id].sizes);
    }

    /// @dev The rest, where a premium depends on it.
    function _askPool(Snapshot memory state) private view {
        if (!IS_LINEAR) (state.reserved, state.idle) = _liquidity();
    }

    function _loadOpen(address position) private view returns (Position memory p) {
        _loadOpenState(position, p);
        _positions[position].loadTerms(p);
    }

    function _loadOpenState(address position, Position memory p) private view {
        _positions[position].loadState(p);
        if (p.status == Status.None) revert UnknownPosition(position);
        if (p.status != Status.Open) revert WrongStatus(position, p.status, Status.Open);
    }

    function _copy(Position memory p) private pure returns (Position memory copy) {
        assembly ("memory-safe") {
            mcopy(copy, p, 0x120) // nine fields
        }
    }

    function _authorise(address trader, Action action, uint256 amount) private {
        if (msg.sender != trader) OPERATORS.spend(trader, msg.sender, uint256(action), amount);
    }

    /// @dev The order's first price, or why it is void. A wrong proof reverts: it must never void. Orders of one commit have one
    /// price, which is asked for once.
    function _findPrice(uint24 series, Order memory order, bytes calldata proof, FirstPrice memory price)
        private
        view
        returns (VoidReason)
    {
        uint256 due = order.requestedAt + DELAY;
        if (proof.length == 0) {
            if (block.timestamp <= due + TIME_TO_LIVE) revert IOracle.PriceNotThereYet(due);
            (bool ended,,) = _final();
            return ended ? VoidReason.MarketEnded : VoidReason.Unproven;
        }
        if (price.key != (due << 16 | order.phase)) {
            price.key = due << 16 | order.phase;
            (price.index, price.time, price.undisputed) = ORACLE.firstAfter(order.phase, due, proof);
        }
        if (price.time > due + TIME_TO_LIVE) return VoidReason.Late;
        if (!price.undisputed) return VoidReason.Disputed;
        if (price.index < order.low || (order.high != 0 && price.index > order.high)) return VoidReason.OutsideBand;
        return _isOpen(series, price.time) ? VoidReason.None : VoidReason.SeriesClosed;
    }

    /// @dev An order whose price may be known goes first. Beyond its time to live, or where a new phase of the primary makes
    /// its proof impossible, it shields nothing; where there is none, that was long ago.
    function _due(Order memory order, uint256 time) private view returns (bool) {
        uint256 due = order.requestedAt + DELAY;
        return due < time && block.timestamp <= due + TIME_TO_LIVE && order.phase == _phase();
    }

    /// @dev Rises from the floor to the cap over the time to live, so that gas spikes do not stop execution.
    function _keeperFee(uint256 requestedAt) private view returns (uint256) {
        uint256 waited = Math.min(Math.saturatingSub(block.timestamp, requestedAt + DELAY), TIME_TO_LIVE);
        return KEEPER_FLOOR + (KEEPER_CAP - KEEPER_FLOOR) * waited / TIME_TO_LIVE;
    }

    function _required(Position memory p, uint256 index, uint256 mark)
        private
        view
        returns (uint256 maintenance, uint256 target)
    {
        (maintenance, target) = MARGIN_MODEL.maintenance(p.series, index, mark, p.size);
        uint256 largestLoss = _largestLoss(p.series, p.size, mark);
        maintenance = Math.min(_tokensUp(maintenance), largestLoss);
        target = Math.min(_tokensUp(target), largestLoss);
    }

    function _equity(Position memory p, uint256 index, uint256 mark, Carry memory carry) private view returns (int256) {
        return int256(p.margin) + _gain(p, index, mark, carry);
    }

    /// @dev After carry: what an exit pays from the reserve, and what the reserve caps.
    function _gain(Position memory p, uint256 index, uint256 mark, Carry memory carry) private view returns (int256) {
        return PositionMath.gainDown(p.size, p.entry, mark, UNIT) - carry.carryUp(p, index, UNIT);
    }

    function _requireInitial(Snapshot memory state, uint256 mark, int256 size, int256 equity, uint256 largestLoss)
        private
        view
    {
        uint256 required = Math.min(_tokensUp(MARGIN_MODEL.initial(state, mark, size)), largestLoss);
        if (equity < int256(required)) revert MarginTooSmall(equity, required);
    }

    /// @dev Without carry, and the margin pays the largest loss from entry: no price is needed.
    function _covered(Position memory p, uint256 margin) private view returns (bool) {
        if (HAS_CARRY) return false;
        uint256 worst = p.size > 0 ? p.entry : Math.saturatingSub(_cap(p.series), p.entry);
        return margin >= PositionMath.valueUp(PositionMath.abs(p.size), worst, UNIT);
    }

    /// @dev What is left to lose at `mark`. A cap bounds shorts here, and longs where they gain: nobody else's is asked.
    function _largestLoss(uint24 series, int256 size, uint256 mark) private view returns (uint256) {
        return PositionMath.largestLossDown(size, mark, size > 0 ? 0 : _cap(series), UNIT);
    }

    /// @dev The market's bound on notional, and what the instrument lets the trader win at most.
    function _largestReserve(Position memory p, uint256 index, uint256 entry) private view returns (uint256) {
        uint256 size = PositionMath.abs(p.size);
        return Math.min(
            PositionMath.mulDown(LARGEST_RESERVE, PositionMath.valueDown(size, index, UNIT), ONE),
            PositionMath.largestGainDown(p.size, entry, p.size > 0 ? _cap(p.series) : 0, UNIT)
        );
    }

    /// @dev What ends with an order: its pending size, its earmark.
    function _drop(Position memory p, Order memory order, Flow memory flow) private {
        if (order.kind == OrderKind.None) return;
        int256 change = p.size;
        if (order.kind == OrderKind.Close) {
            change = int256(order.amount * PositionMath.LOT);
            if (p.size > 0) change = -change;
        } else {
            flow.freed += order.amount;
        }
        if (order.kind != OrderKind.RaiseReserve) _series[p.series].unpend(change);
    }

    function _requireSize(uint256 size) private view {
        if (size < MIN_SIZE) revert SizeTooSmall(size, MIN_SIZE);
        if (size % PositionMath.LOT != 0) revert SizeNotInLots(size, PositionMath.LOT);
    }

    function _requireMargin(uint256 margin) private view {
        if (margin < MIN_MARGIN) revert MarginBelowMinimum(margin, MIN_MARGIN);
    }

    function _requireHeld(address position, uint256 wanted) private view {
        uint256 held = _balanceOf(position);
        if (held < wanted) revert TransferShort(held, wanted);
    }

    function _tokensUp(uint256 value) private view returns (uint256) {
        return PositionMath.mulUp(value, ONE, UNIT);
    }

    function _move(Flow memory flow) private returns (bool done, uint256 committed, uint256 idle) {
        flow.keeper = msg.sender;
        return POOL.move(flow);
    }

    /// @dev Pay or keep: what the token refuses to deliver stays in the vault, claimable. A keeper is paid out of what comes in.
    function _pay(address position, Split memory parts, Flow memory flow) private {
        uint256 toPool = parts.toPool + parts.toKeeper;
        (bool traderPaid, bool poolPaid) = _payVault(position, parts.toTrader, toPool);
        if (poolPaid) {
            flow.received += toPool;
            flow.keeperFee += parts.toKeeper;
        } else {
            flow.unpaid += toPool;
        }
        if (!traderPaid || !poolPaid) _keep(position, traderPaid ? 0 : parts.toTrader, poolPaid ? 0 : toPool);
    }

    function _payVault(address position, uint256 toTrader, uint256 toPool) private returns (bool, bool) {
        return IPositionVault(position).pay(toTrader, toPool);
    }

    function _keep(address position, uint256 trader, uint256 pool_) private {
        Claim storage owed = _claims[position];
        owed.trader += uint128(trader);
        owed.pool += uint128(pool_);
        emit PaymentKept(position, trader, pool_);
    }
}
// slither-disable-end reentrancy-no-eth,incorrect-equality
