// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
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
import {Book, Carry} from "./libraries/Book.sol";
import {PositionMath, Split} from "./libraries/PositionMath.sol";

/// @title Orders, positions, liquidation and settlement; the only caller of its vaults.
/// @dev A position is named by its vault. Every function: validate, accrue, compute, write, pay.
/// Outside calls go to the market's own immutable parts and to its vaults' code, every entrance and every priced view holds the
/// transient guard, and a strict comparison is of a size, a status or a kind, never of a balance: hence these two exceptions.
// slither-disable-start reentrancy-no-eth,incorrect-equality
contract Market is IMarket, ReentrancyGuardTransient {
    using Book for Carry;
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    uint256 private constant ONE = 1e18;
    /// @dev Token units that the roundings of one partial liquidation may eat; the fraction is taken that much larger.
    uint256 private constant ROUNDINGS = 8;

    IERC20 private immutable TOKEN;
    IOracle private immutable ORACLE;
    IInstrument private immutable INSTRUMENT;
    IMarginModel private immutable MARGIN_MODEL;
    IOperators private immutable OPERATORS;
    IPool private immutable POOL;
    address private immutable VAULT;
    uint256 private immutable UNIT;
    bool private immutable HAS_CARRY;
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

    mapping(address position => Position) private _positions;
    mapping(address position => Order) private _orders;
    mapping(address position => Claim) private _claims;

    struct Claim {
        uint128 trader;
        uint128 pool;
    }

    /// @dev How a slice of a position leaves.
    /// @param premium rate, @param flat first claim of the keeper on the margin, @param keep the trader's part stays as margin
    /// @param frozen end of the market, where carry stops; 0 while it lives
    struct Terms {
        ExitKind kind;
        uint256 size;
        uint256 index;
        uint256 mark;
        uint256 premium;
        uint256 flat;
        uint256 phi;
        bool keep;
        uint256 frozen;
    }

    /// @param config_ checked by the factory, @param pool_ the market's own pool, @param vault the code of its vaults
    constructor(MarketConfig memory config_, IPool pool_, address vault) {
        TOKEN = IERC20(config_.token);
        ORACLE = IOracle(config_.oracle);
        INSTRUMENT = IInstrument(config_.instrument);
        MARGIN_MODEL = IMarginModel(config_.marginModel);
        OPERATORS = IOperators(config_.operators);
        (POOL, VAULT) = (pool_, vault);
        UNIT = 10 ** (36 - IERC20Metadata(config_.token).decimals());
        HAS_CARRY = IInstrument(config_.instrument).hasCarry();
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
    function requestOpen(address trader, Leg[] calldata legs, uint128 low, uint128 high)
        external
        nonReentrant
        returns (address[] memory positions)
    {
        if (low == 0 || low > high || high > type(uint112).max) revert BandInvalid(low, high);
        uint16 phase = ORACLE.commitment();
        uint256 total;
        for (uint256 i; i < legs.length; ++i) {
            total += legs[i].margin;
        }
        _authorise(trader, Action.Open, total);
        positions = new address[](legs.length);
        for (uint256 i; i < legs.length; ++i) {
            positions[i] = _commit(trader, legs[i], low, high, phase);
        }
    }

    function _commit(address trader, Leg calldata leg, uint128 low, uint128 high, uint16 phase)
        private
        returns (address position)
    {
        uint256 size = PositionMath.abs(leg.size);
        _requireSize(size);
        if (size > type(uint112).max) revert AmountTooLarge(size);
        if (leg.margin < MIN_MARGIN) revert MarginBelowMinimum(leg.margin, MIN_MARGIN);
        (Snapshot memory state, uint256 premium) = POOL.commit(leg.series, leg.size, leg.reserve, size, high);
        if (premium > leg.maxPremium) revert PremiumAboveLimit(premium, leg.maxPremium);
        state.index = high;
        // The requirement is monotone between the ends of the band for every model worth having; both ends are asked.
        _requireInitialAtCommit(state, leg, size, premium);
        if (low != high) {
            state.index = low;
            _requireInitialAtCommit(state, leg, size, premium);
        }

        position = Clones.cloneWithImmutableArgs(VAULT, abi.encodePacked(trader));
        _save(
            position,
            Position({
                margin: leg.margin,
                reserve: leg.reserve,
                series: leg.series,
                status: Status.Pending,
                time: uint32(block.timestamp),
                size: leg.size,
                entry: uint112(premium),
                phase: phase,
                band: uint256(low) | uint256(high) << 128
            })
        );
        emit OpenRequested(position, trader, leg, low, high, premium);
        // The trader called, or let this operator spend: see _authorise.
        // slither-disable-next-line arbitrary-send-erc20
        TOKEN.safeTransferFrom(trader, position, leg.margin);
        _requireHeld(position, leg.margin);
    }

    function _requireInitialAtCommit(Snapshot memory state, Leg calldata leg, uint256 size, uint256 premium)
        private
        view
    {
        uint256 mark = _mark(leg.series, state.index, state.time);
        uint256 costs = KEEPER_CAP + PositionMath.feeUp(OPEN_FEE, size, state.index, UNIT)
            + PositionMath.feeUp(premium, size, state.index, UNIT);
        _requireInitial(state, mark, leg.size, int256(uint256(leg.margin)) - int256(costs));
    }

    /// @inheritdoc IMarket
    function requestClose(address position, uint128 size, uint128 low, uint128 high, uint64 maxPremium)
        external
        nonReentrant
    {
        Position memory p = _forOrder(position, Action.Close);
        if (low > high) revert BandInvalid(low, high);
        uint256 held = PositionMath.abs(p.size);
        uint256 closing = Math.min(size, held);
        _requireSize(closing);
        if (closing != held) _requireSize(held - closing);
        // slither-disable-next-line unused-return
        (, uint256 premium) = POOL.commit(p.series, p.size > 0 ? -int256(closing) : int256(closing), 0, 0, 0);
        if (premium > maxPremium) revert PremiumAboveLimit(premium, maxPremium);
        _order(position, OrderKind.Close, uint128(closing), low, high, premium);
    }

    /// @inheritdoc IMarket
    function requestRaise(address position, uint96 amount) external nonReentrant {
        Position memory p = _forOrder(position, Action.RaiseReserve);
        // slither-disable-next-line unused-return
        POOL.commit(p.series, 0, amount, PositionMath.abs(p.size), 0);
        _order(position, OrderKind.RaiseReserve, amount, 0, 0, 0);
    }

    function _forOrder(address position, Action action) private returns (Position memory p) {
        p = _load(position, Status.Open);
        _authorise(_traderOf(position), action, 0);
        if (_orders[position].kind != OrderKind.None) revert OrderPending(position);
    }

    function _order(address position, OrderKind kind, uint128 amount, uint128 low, uint128 high, uint256 premium)
        private
    {
        _orders[position] =
            Order(kind, uint32(block.timestamp), ORACLE.commitment(), uint64(premium), amount, low, high);
        emit OrderRequested(position, kind, amount, low, high, premium);
    }

    // ---------------------------------------------------------------- execution

    /// @inheritdoc IMarket
    function execute(address position, bytes calldata proof) external nonReentrant {
        Position memory p = _positions[position];
        if (p.status == Status.Pending) return _executeOpen(position, p, proof);
        Order memory order = _orders[position];
        if (order.kind == OrderKind.None) revert NoOrder(position);
        _executeOrder(position, p, order, proof);
    }

    function _executeOpen(address position, Position memory p, bytes calldata proof) private {
        (bool good, VoidReason reason, uint256 index, uint256 time) =
            _firstPrice(p.series, p.phase, p.time, uint128(p.band), uint128(p.band >> 128), proof);
        if (!good) return _voidOpen(position, p, reason);

        uint256 keeperFee = _keeperFee(p.time);
        uint256 size = PositionMath.abs(p.size);
        uint256 fee = keeperFee + PositionMath.feeUp(OPEN_FEE, size, index, UNIT);
        uint256 mark = _mark(p.series, index, time);
        uint256 entry = PositionMath.fill(mark, p.entry, index, p.size > 0);
        uint256 reserve = Math.min(p.reserve, _largestReserve(p, index, entry));
        // What the fees exceed the reserve by, the vault pays; otherwise they are netted out of what the pool sends.
        uint256 received;
        if (fee > reserve) {
            received = fee - reserve;
            (, bool paid) = _payVault(position, 0, received);
            if (!paid) return _voidOpen(position, p, VoidReason.FundingRefused);
        }
        uint256 earmarked = p.reserve;
        p.margin = uint96(p.margin - fee);
        p.reserve = uint96(reserve);
        p.status = Status.Open;
        p.time = uint32(time);
        p.entry = entry.toUint112();
        p.phase = 0;
        Position memory none;
        Flow memory flow = _flow(received, 0, keeperFee);
        (flow.unpend, flow.freed, flow.index) = (p.size, earmarked, index);
        flow.sent = Math.saturatingSub(reserve, fee);
        bool funded;
        (funded, p.band) = _post(position, none, p, flow);
        if (!funded) return _voidOpen(position, _positions[position], VoidReason.FundingRefused);
        _save(position, p);
        emit Opened(position, index, entry, p.margin, reserve, fee - keeperFee, keeperFee);
    }

    function _voidOpen(address position, Position memory p, VoidReason reason) private {
        uint256 keeperFee = _keeperFee(p.time);
        uint256 fee = Math.min(_voidFee(reason, PositionMath.abs(p.size), p.band >> 128), p.margin - keeperFee);
        _close(position);
        (uint256 received, uint256 unpaid) = _pay(position, p.margin - fee - keeperFee, fee + keeperFee);
        Position memory none;
        none.series = p.series;
        Flow memory flow = _flow(received, unpaid, keeperFee);
        (flow.unpend, flow.freed) = (p.size, p.reserve);
        _post(position, none, none, flow);
        emit OrderVoided(position, OrderKind.None, reason, fee, keeperFee);
    }

    function _executeOrder(address position, Position memory p, Order memory order, bytes calldata proof) private {
        (bool good, VoidReason reason, uint256 index, uint256 time) =
            _firstPrice(p.series, order.phase, order.requestedAt, order.low, order.high, proof);
        if (!good) return _voidOrder(position, p, order, reason);
        uint256 mark = _mark(p.series, index, time);
        if (order.kind == OrderKind.RaiseReserve) return _raise(position, p, order, index, mark);

        delete _orders[position];
        uint256 held = PositionMath.abs(p.size);
        uint256 size = Math.min(order.amount, held);
        if (held - size < MIN_SIZE) size = held;
        _exit(
            position,
            p,
            order,
            Terms(ExitKind.Close, size, index, mark, order.premium, _keeperFee(order.requestedAt), 0, false, 0)
        );
    }

    function _voidOrder(address position, Position memory p, Order memory order, VoidReason reason) private {
        delete _orders[position];
        uint256 keeperFee = Math.min(_keeperFee(order.requestedAt), p.margin);
        uint256 fee = order.kind == OrderKind.Close ? _voidFee(reason, order.amount, order.high) : 0;
        fee = Math.min(fee, p.margin - keeperFee);
        (int256 unpend, uint256 freed) = _ends(p, order);
        _charge(position, p, fee + keeperFee, keeperFee, unpend, freed);
        emit OrderVoided(position, order.kind, reason, fee, keeperFee);
    }

    /// @dev At or above the old reserve the gain is known to be capped: raising the cap then would be a free gift.
    function _raise(address position, Position memory p, Order memory order, uint256 index, uint256 mark) private {
        if (PositionMath.gainDown(p.size, p.entry, mark, UNIT) >= int256(uint256(p.reserve))) {
            return _voidOrder(position, p, order, VoidReason.ReserveReached);
        }
        Position memory old = _positions[position];
        uint256 highest = Math.max(p.reserve, _largestReserve(p, index, p.entry));
        uint256 added = Math.min(order.amount, highest - p.reserve);
        (, Carry memory carry) = _stateOf(p.series);
        p.reserve += uint96(added);
        p.band = carry.rebased(old, p.reserve);
        Flow memory flow = _flow(0, 0, 0);
        (flow.freed, flow.sent, flow.index) = (order.amount, added, index);
        (bool funded,) = _post(position, old, p, flow);
        if (!funded) return _voidOrder(position, old, order, VoidReason.FundingRefused);
        delete _orders[position];
        _save(position, p);
        uint256 keeperFee = Math.min(_keeperFee(order.requestedAt), p.margin);
        _charge(position, p, keeperFee, keeperFee, 0, 0);
        emit ReserveRaised(position, index, p.reserve, keeperFee);
    }

    /// @dev Takes `fee`, the keeper's part of it included, out of the margin of an open position.
    function _charge(address position, Position memory p, uint256 fee, uint256 keeperFee, int256 unpend, uint256 freed)
        private
    {
        (uint256 received, uint256 unpaid) = _pay(position, 0, fee);
        Flow memory flow = _flow(received, unpaid, keeperFee);
        (flow.unpend, flow.freed) = (unpend, freed);
        _postMargin(position, p, p.margin - uint96(fee), flow);
    }

    // ---------------------------------------------------------------- margin

    /// @inheritdoc IMarket
    function addMargin(address position, uint96 amount) external nonReentrant {
        Position memory p = _positions[position];
        if (p.status == Status.None) revert UnknownPosition(position);
        if (p.status == Status.Closed) revert WrongStatus(position, p.status, Status.Open);
        uint96 margin = p.margin + amount;
        if (p.status == Status.Open) _postMargin(position, p, margin, _flow(0, 0, 0));
        else _positions[position].margin = margin;
        emit MarginChanged(position, int256(uint256(amount)), margin);
        TOKEN.safeTransferFrom(msg.sender, position, amount);
        _requireHeld(position, p.status == Status.Open ? uint256(margin) + p.reserve : margin);
    }

    /// @inheritdoc IMarket
    function removeMargin(address position, uint96 amount) external nonReentrant {
        Position memory p = _load(position, Status.Open);
        _authorise(_traderOf(position), Action.RemoveMargin, 0);
        if (uint256(amount) + MIN_MARGIN > p.margin) {
            revert MarginBelowMinimum(p.margin < amount ? 0 : p.margin - amount, MIN_MARGIN);
        }
        uint96 margin = p.margin - amount;
        if (!_covered(p, margin)) _requireInitialAfter(p, margin);
        _postMargin(position, p, margin, _flow(0, 0, 0));
        emit MarginChanged(position, -int256(uint256(amount)), margin);
        _pay(position, amount, 0);
    }

    /// @dev Unrealised gain never counts, and the price is shocked against the caller by what the feed may hide.
    function _requireInitialAfter(Position memory p, uint256 margin) private view {
        (Snapshot memory state, Carry memory carry) = _stateOf(p.series);
        (state.index, state.time) = ORACLE.latest();
        uint256 shock = ORACLE.deviation();
        state.index = Math.mulDiv(state.index, p.size > 0 ? ONE - shock : ONE + shock, ONE);
        uint256 mark = _mark(p.series, state.index, state.time);
        int256 gain = PositionMath.gainDown(p.size, p.entry, mark, UNIT);
        int256 equity = int256(margin) + (gain < 0 ? gain : int256(0)) - carry.carryUp(p, state.index, UNIT);
        _requireInitial(state, mark, p.size, equity);
    }

    // ---------------------------------------------------------------- ends

    /// @inheritdoc IMarket
    function liquidate(address[] calldata positions) external nonReentrant returns (uint256 done) {
        (uint256 index, uint256 time) = ORACLE.latest();
        for (uint256 i; i < positions.length; ++i) {
            if (_liquidate(positions[i], index, time)) ++done;
        }
    }

    function _liquidate(address position, uint256 index, uint256 time) private returns (bool) {
        Position memory p = _positions[position];
        if (p.status != Status.Open || time <= p.time) return false;
        Order memory order = _orders[position];
        if (order.kind == OrderKind.Close && _due(order, time)) return false;
        uint256 mark = _mark(p.series, index, time);
        (Snapshot memory state, Carry memory carry) = _stateOf(p.series);
        (state.index, state.time) = (index, time);
        int256 equity = _equity(p, index, mark, carry);
        (uint256 maintenance, uint256 target) = _required(p, index, mark);
        if (equity >= int256(maintenance)) return false;

        uint256 held = PositionMath.abs(p.size);
        uint256 premium = INSTRUMENT.premium(state, -int256(p.size));
        uint256 fraction = PositionMath.liquidationFractionUp(
            equity - int256(LIQUIDATION_FEE + ROUNDINGS),
            target,
            PositionMath.feeUp(CLOSE_FEE + premium, held, index, UNIT),
            PHI
        );
        fraction = Math.max(fraction, SMALLEST_LIQUIDATION);
        uint256 size = Math.mulDiv(held, fraction, ONE, Math.Rounding.Ceil);
        if (fraction > LARGEST_LIQUIDATION || held - size < MIN_SIZE) size = held;
        _exit(
            position,
            p,
            size == held ? _cancelled(position) : _noOrder(),
            Terms(ExitKind.Liquidation, size, index, mark, premium, LIQUIDATION_FEE, PHI, size != held, 0)
        );
        return true;
    }

    /// @inheritdoc IMarket
    function closeAtReserve(address position) external nonReentrant {
        Position memory p = _load(position, Status.Open);
        (uint256 index, uint256 time) = ORACLE.latest();
        if (time <= p.time) revert PriceNotLater(time, p.time);
        if (_due(_orders[position], time)) revert OrderDue(position);
        uint256 mark = _mark(p.series, index, time);
        (, Carry memory carry) = _stateOf(p.series);
        int256 gain = PositionMath.gainDown(p.size, p.entry, mark, UNIT) - carry.carryUp(p, index, UNIT);
        if (gain < int256(uint256(p.reserve))) revert ReserveNotReached(position, gain, p.reserve);
        uint256 size = PositionMath.abs(p.size);
        _exit(
            position,
            p,
            _cancelled(position),
            Terms(ExitKind.AtReserve, size, index, mark, 0, KEEPER_FLOOR, 0, false, 0)
        );
    }

    /// @inheritdoc IMarket
    function settle(address[] calldata positions) external nonReentrant returns (uint256 done) {
        (bool ended, uint256 index, uint256 time) = ORACLE.finalPrice();
        for (uint256 i; i < positions.length; ++i) {
            if (_settle(positions[i], ended, index, time)) ++done;
        }
    }

    function _settle(address position, bool ended, uint256 index, uint256 time) private returns (bool) {
        Position memory p = _positions[position];
        if (p.status == Status.Pending && ended) {
            _voidOpen(position, p, VoidReason.MarketEnded);
            return true;
        }
        if (p.status != Status.Open) return false;
        (bool known, uint256 mark, uint256 fixing) = INSTRUMENT.finalMark(p.series);
        if (!known) {
            if (!ended) return false;
            mark = _mark(p.series, index, time);
            fixing = index;
        }
        // No premium, no carry beyond the end: the outcome must not depend on who is settled first.
        uint256 size = PositionMath.abs(p.size);
        _exit(
            position,
            p,
            _cancelled(position),
            Terms(ExitKind.Settlement, size, fixing, mark, 0, KEEPER_FLOOR, 0, false, time)
        );
        return true;
    }

    /// @dev Closes a slice as if it were a position of its own, after the keeper's flat fee on the whole margin.
    function _exit(address position, Position memory p, Order memory order, Terms memory t) private {
        if (t.frozen != 0) POOL.freeze(p.series, t.frozen);
        (, Carry memory carry) = _stateOf(p.series);
        Position memory rest = _positions[position];
        uint256 flat = Math.min(t.flat, p.margin);
        rest.margin -= uint96(flat);
        // Rounded down: what does not divide stays with the position.
        Position memory slice = _positions[position];
        uint256 held = PositionMath.abs(p.size);
        slice.margin = uint96(Math.mulDiv(rest.margin, t.size, held));
        slice.reserve = uint96(Math.mulDiv(p.reserve, t.size, held));
        slice.size = p.size > 0 ? int128(int256(t.size)) : -int128(int256(t.size));
        uint256 fees = PositionMath.feeUp(CLOSE_FEE + t.premium, t.size, t.index, UNIT);
        Split memory parts = PositionMath.split(
            slice.margin, slice.reserve, _equity(slice, t.index, t.mark, carry), fees, t.phi, PHI_TO_POOL
        );
        parts.toKeeper += flat;

        rest.size -= slice.size;
        rest.reserve -= slice.reserve;
        rest.margin -= slice.margin;
        if (t.keep) {
            rest.margin += uint96(parts.toTrader);
            parts.toTrader = 0;
        }
        if (rest.size == 0) _close(position);
        else _save(position, rest);
        (uint256 received, uint256 unpaid) = _pay(position, parts.toTrader, parts.toPool + parts.toKeeper);
        Flow memory flow = _flow(received, unpaid, parts.toKeeper);
        (flow.unpend, flow.freed) = _ends(p, order);
        flow.index = t.frozen == 0 ? t.index : 0;
        _post(position, p, rest, flow);
        emit Exited(position, t.kind, t.size, t.index, t.mark, parts.toTrader, parts.toPool, parts.toKeeper);
    }

    /// @inheritdoc IMarket
    function claim(address position, address to) external nonReentrant {
        Claim memory owed = _claims[position];
        if (owed.trader == 0 && owed.pool == 0) revert NothingToClaim(position);
        address trader = _traderOf(position);
        if (msg.sender != trader && to != trader) revert NotTrader(msg.sender, trader);
        delete _claims[position];
        // Only what its trader directs elsewhere may fail as a whole; otherwise each part is paid or kept by itself.
        (uint256 received,) = _pay(position, to == trader ? owed.trader : 0, owed.pool);
        if (received != 0) POOL.collectClaim(received);
        if (to != trader) IPositionVault(position).claim(to, owed.trader);
        emit Claimed(position, to, owed.trader);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IMarket
    function positionOf(address position) external view returns (Position memory) {
        return _positions[position];
    }

    /// @inheritdoc IMarket
    function orderOf(address position) external view returns (Order memory) {
        return _orders[position];
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
        Position memory p = _load(position, Status.Open);
        (, Carry memory carry) = _stateOf(p.series);
        uint256 mark = _mark(p.series, index, time);
        equity = _equity(p, index, mark, carry);
        (maintenance, target) = _required(p, index, mark);
    }

    /// @inheritdoc IMarket
    function requireIdle() external view nonReentrantView {}

    /// @inheritdoc IMarket
    function pool() external view returns (address) {
        return address(POOL);
    }

    // ---------------------------------------------------------------- shared

    function _mark(uint24 series, uint256 index, uint256 time) private view returns (uint256) {
        return INSTRUMENT.mark(series, index, time);
    }

    function _stateOf(uint24 series) private view returns (Snapshot memory, Carry memory) {
        return POOL.stateOf(series);
    }

    function _post(address position, Position memory old, Position memory current, Flow memory flow)
        private
        returns (bool done, uint256 band)
    {
        return POOL.post(position, old, current, flow);
    }

    function _cap(uint24 series) private view returns (uint256) {
        return INSTRUMENT.cap(series);
    }

    function _load(address position, Status wanted) private view returns (Position memory p) {
        p = _positions[position];
        if (p.status == Status.None) revert UnknownPosition(position);
        if (p.status != wanted) revert WrongStatus(position, p.status, wanted);
    }

    function _traderOf(address position) private view returns (address) {
        return address(bytes20(Clones.fetchCloneArgs(position)));
    }

    function _authorise(address trader, Action action, uint256 amount) private {
        if (msg.sender != trader) OPERATORS.spend(trader, msg.sender, uint256(action), amount);
    }

    /// @dev The order's first price, or why it is void. A wrong proof reverts: it must never void.
    function _firstPrice(
        uint24 series,
        uint16 phase,
        uint256 requestedAt,
        uint128 low,
        uint128 high,
        bytes calldata proof
    ) private view returns (bool good, VoidReason reason, uint256 index, uint256 time) {
        uint256 due = requestedAt + DELAY;
        if (proof.length == 0) {
            if (block.timestamp <= due + TIME_TO_LIVE) revert IOracle.PriceNotThereYet(due);
            return (false, VoidReason.Unproven, 0, 0);
        }
        bool undisputed;
        (index, time, undisputed) = ORACLE.firstAfter(phase, due, proof);
        if (time > due + TIME_TO_LIVE) return (false, VoidReason.Late, index, time);
        if (!undisputed) return (false, VoidReason.Disputed, index, time);
        if (index < low || (high != 0 && index > high)) return (false, VoidReason.OutsideBand, index, time);
        if (!INSTRUMENT.isOpen(series, time)) return (false, VoidReason.SeriesClosed, index, time);
        good = true;
    }

    /// @dev An order whose price may be known goes first. Beyond its time to live, or where a new phase of the primary makes
    /// its proof impossible, it shields nothing.
    function _due(Order memory order, uint256 time) private view returns (bool) {
        uint256 due = order.requestedAt + DELAY;
        return order.kind != OrderKind.None && due < time && block.timestamp <= due + TIME_TO_LIVE
            && order.phase == ORACLE.commitment();
    }

    /// @dev Rises from the floor to the cap over the time to live, so that gas spikes do not stop execution.
    function _keeperFee(uint256 requestedAt) private view returns (uint256) {
        uint256 waited = Math.min(Math.saturatingSub(block.timestamp, requestedAt + DELAY), TIME_TO_LIVE);
        // The factory has seen floor <= cap < 2 ** 96 and 0 < waited <= time to live < 2 ** 32.
        unchecked {
            return KEEPER_FLOOR + (KEEPER_CAP - KEEPER_FLOOR) * waited / TIME_TO_LIVE;
        }
    }

    /// @dev No order is a free option: where the trader's own terms made it void, it pays the open fee.
    function _voidFee(VoidReason reason, uint256 size, uint256 high) private view returns (uint256) {
        if (reason != VoidReason.OutsideBand && reason != VoidReason.Unproven) return 0;
        return PositionMath.feeUp(OPEN_FEE, size, high, UNIT);
    }

    function _required(Position memory p, uint256 index, uint256 mark)
        private
        view
        returns (uint256 maintenance, uint256 target)
    {
        (maintenance, target) = MARGIN_MODEL.maintenance(p.series, index, mark, p.size);
        uint256 largestLoss = PositionMath.largestLossDown(p.size, mark, _cap(p.series), UNIT);
        maintenance = Math.min(_tokensUp(maintenance), largestLoss);
        target = Math.min(_tokensUp(target), largestLoss);
    }

    function _equity(Position memory p, uint256 index, uint256 mark, Carry memory carry) private view returns (int256) {
        return
            int256(uint256(p.margin)) + PositionMath.gainDown(p.size, p.entry, mark, UNIT)
                - carry.carryUp(p, index, UNIT);
    }

    function _requireInitial(Snapshot memory state, uint256 mark, int256 size, int256 equity) private view {
        uint256 required = Math.min(
            _tokensUp(MARGIN_MODEL.initial(state, mark, size)),
            PositionMath.largestLossDown(size, mark, _cap(state.series), UNIT)
        );
        if (equity < int256(required)) revert MarginTooSmall(equity, required);
    }

    /// @dev Without carry, and the margin pays the largest loss from entry: no price is needed.
    function _covered(Position memory p, uint256 margin) private view returns (bool) {
        if (HAS_CARRY) return false;
        uint256 largest = p.size > 0
            ? PositionMath.valueUp(uint256(int256(p.size)), p.entry, UNIT)
            : PositionMath.valueUp(PositionMath.abs(p.size), Math.saturatingSub(_cap(p.series), p.entry), UNIT);
        return margin >= largest;
    }

    /// @dev The market's bound on notional, and what the instrument lets the trader win at most.
    function _largestReserve(Position memory p, uint256 index, uint256 entry) private view returns (uint256) {
        uint256 size = PositionMath.abs(p.size);
        return Math.min(
            Math.mulDiv(LARGEST_RESERVE, PositionMath.valueDown(size, index, UNIT), ONE),
            PositionMath.largestGainDown(p.size, entry, _cap(p.series), UNIT)
        );
    }

    function _flow(uint256 received, uint256 unpaid, uint256 keeperFee) private view returns (Flow memory flow) {
        (flow.received, flow.unpaid, flow.keeper, flow.keeperFee) = (received, unpaid, msg.sender, keeperFee);
    }

    function _postMargin(address position, Position memory p, uint96 margin, Flow memory flow) private {
        Position memory current = _positions[position];
        current.margin = margin;
        _post(position, p, current, flow);
        _save(position, current);
    }

    function _save(address position, Position memory p) private {
        _positions[position] = p;
    }

    /// @dev What is no longer pending, and the earmark that ends, with an order.
    function _ends(Position memory p, Order memory order) private pure returns (int256 unpend, uint256 freed) {
        int256 amount = int256(uint256(order.amount));
        if (order.kind == OrderKind.Close) unpend = p.size > 0 ? -amount : amount;
        else freed = order.amount;
    }

    /// @dev An order dies with its position.
    function _cancelled(address position) private returns (Order memory order) {
        order = _orders[position];
        if (order.kind != OrderKind.None) delete _orders[position];
    }

    function _noOrder() private pure returns (Order memory order) {}

    /// @dev Frees the words of a position that is over; its status stays.
    function _close(address position) private {
        Position memory closed;
        closed.status = Status.Closed;
        _save(position, closed);
    }

    function _requireSize(uint256 size) private view {
        if (size < MIN_SIZE) revert SizeTooSmall(size, MIN_SIZE);
    }

    function _requireHeld(address position, uint256 wanted) private view {
        uint256 held = TOKEN.balanceOf(position);
        if (held < wanted) revert TransferShort(held, wanted);
    }

    function _tokensUp(uint256 value) private view returns (uint256) {
        return Math.mulDiv(value, ONE, UNIT, Math.Rounding.Ceil);
    }

    function _payVault(address position, uint256 toTrader, uint256 toPool) private returns (bool, bool) {
        return IPositionVault(position).pay(toTrader, toPool);
    }

    /// @dev Pay or keep: what the token refuses to deliver stays in the vault, claimable.
    function _pay(address position, uint256 toTrader, uint256 toPool)
        private
        returns (uint256 received, uint256 unpaid)
    {
        (bool traderPaid, bool poolPaid) = _payVault(position, toTrader, toPool);
        if (!traderPaid || !poolPaid) {
            Claim storage owed = _claims[position];
            if (!traderPaid) owed.trader += uint128(toTrader);
            if (!poolPaid) owed.pool += uint128(toPool);
            emit PaymentKept(position, traderPaid ? 0 : toTrader, poolPaid ? 0 : toPool);
        }
        return poolPaid ? (toPool, uint256(0)) : (uint256(0), toPool);
    }
}
// slither-disable-end reentrancy-no-eth,incorrect-equality
