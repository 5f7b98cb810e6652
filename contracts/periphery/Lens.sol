// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IFactory} from "../interfaces/IFactory.sol";
import {IInstrument, Snapshot} from "../interfaces/IInstrument.sol";
import {ILens} from "../interfaces/ILens.sol";
import {IMarginModel} from "../interfaces/IMarginModel.sol";
import {IMarket, Leg, MarketConfig, Order, Position, Status} from "../interfaces/IMarket.sol";
import {IOracle} from "../interfaces/IOracle.sol";
import {IPool} from "../interfaces/IPool.sol";
import {IPositionVault} from "../interfaces/IPositionVault.sol";
import {Bands} from "../libraries/Bands.sol";
import {Book, Carry} from "../libraries/Book.sol";
import {PositionMath, Split} from "../libraries/PositionMath.sol";
import {PositionStore} from "../libraries/PositionStore.sol";
import {HealthyRange} from "./HealthyRange.sol";
import {snapshotOf} from "./SeriesSnapshot.sol";

/// @title Ranges, listings, scans and quotes for readers, from the same functions that the market acts by.
contract Lens is ILens {
    using Bands for uint256;
    using Bands for uint40;
    using Book for Carry;

    /// @dev A position that is not open yet, as the market would judge it.
    struct Draft {
        Position terms;
        Carry carry;
        IInstrument instrument;
        IMarginModel model;
        uint256 unit;
        uint256 time;
    }

    /// @inheritdoc ILens
    function stateOf(IMarket market, IOracle oracle, address position)
        external
        view
        returns (PositionState memory state)
    {
        state.terms = market.positionOf(position);
        state.order = market.orderOf(position);
        (state.owedTrader, state.owedPool) = market.claimable(position);
        if (state.terms.status != Status.None) state.trader = IPositionVault(position).trader();
        try oracle.latest() returns (uint256 index, uint256 time) {
            (state.index, state.time) = (index, time);
            if (state.terms.status != Status.Open) return state;
            try market.health(position, index, time) returns (int256 equity, uint256 maintenance, uint256 target) {
                (state.equity, state.maintenance, state.target) = (equity, maintenance, target);
            } catch {} // no mark for now
        } catch {}
    }

    /// @inheritdoc ILens
    function healthyRange(IMarket market, address position) external view returns (uint256 low, uint256 high) {
        return HealthyRange.find(abi.encode(market, position), _healthy);
    }

    /// @inheritdoc ILens
    function healthOf(IMarket market, address[] calldata positions, uint256 index, uint256 time)
        external
        view
        returns (Health[] memory found)
    {
        found = new Health[](positions.length);
        uint256 count;
        for (uint256 i; i < positions.length; ++i) {
            if (market.positionOf(positions[i]).status != Status.Open) continue;
            try market.health(positions[i], index, time) returns (int256 equity, uint256 maintenance, uint256 target) {
                found[count++] = Health(positions[i], equity, maintenance, target);
            } catch {} // without a mark it hides no others
        }
        assembly ("memory-safe") {
            mstore(found, count) // shorter, never longer
        }
    }

    /// @inheritdoc ILens
    function unhealthy(IMarket market, address[] calldata positions, uint256 index, uint256 time)
        external
        view
        returns (uint256[] memory bitmap)
    {
        bitmap = new uint256[]((positions.length + 255) / 256);
        for (uint256 i; i < positions.length; ++i) {
            Position memory p = market.positionOf(positions[i]);
            if (p.status != Status.Open || time <= p.time) continue;
            // slither-disable-next-line unused-return
            try market.health(positions[i], index, time) returns (int256 equity, uint256 maintenance, uint256) {
                if (equity < int256(maintenance)) bitmap[i / 256] |= 1 << (i % 256);
            } catch {} // without a mark it hides no others
        }
    }

    /// @inheritdoc ILens
    function statesOf(IMarket market, address[] calldata positions)
        external
        view
        returns (Position[] memory states, Order[] memory orders)
    {
        (states, orders) = (new Position[](positions.length), new Order[](positions.length));
        for (uint256 i; i < positions.length; ++i) {
            (states[i], orders[i]) = (market.positionOf(positions[i]), market.orderOf(positions[i]));
        }
    }

    // ---------------------------------------------------------------- quotes

    /// @inheritdoc ILens
    function quoteOpen(IFactory factory, MarketConfig calldata config, Leg calldata leg, uint256 low, uint256 high)
        external
        view
        returns (OpenQuote memory quote)
    {
        if (low == 0 || low > high || high > HealthyRange.HIGHEST) revert IMarket.BandInvalid(low, high);
        IMarket market = _marketOf(factory, config);
        uint256 size = _sizeOf(leg);
        uint256 unit = _unit(config);
        uint256 last = IPool(market.pool()).lastIndex();
        quote.lowestReserve = PositionMath.feeUp(config.smallestReserve, size, Math.max(high, last), unit);
        quote.highestReserve = PositionMath.feeUp(config.largestReserve, size, Math.max(high, last), unit);
        Snapshot memory state = snapshotOf(market, leg.series);
        quote.freeLiquidity = Math.saturatingSub(state.idle, IPool(market.pool()).dueExits());
        // What the market asks its parts, it asks with the reserve set aside.
        (state.reserved, state.idle) = (state.reserved + leg.reserve, Math.saturatingSub(state.idle, leg.reserve));
        quote.premium = _premium(market, config, state, leg.size);
        (low, high) = (low.floor().value(), high.ceil().value());
        quote.openFee = PositionMath.feeUp(config.openFee, size, high, unit);
        quote.keeperCap = config.keeperCap;
        quote.margin = Math.max(
            config.minMargin, _smallestMargin(config, state, leg.size, low, Math.max(high, last), quote.premium)
        );
    }

    /// @dev Costs and requirement at the worse end of the band, as kept, or at the index of the last trade above it.
    function _smallestMargin(
        MarketConfig calldata config,
        Snapshot memory state,
        int256 size,
        uint256 low,
        uint256 high,
        uint256 premium
    ) private view returns (uint256) {
        uint256 unit = _unit(config);
        uint256[2] memory indices = [low, high];
        uint256[2] memory marks = [_mark(config, state, low), _mark(config, state, high)];
        uint256 worst = size > 0 ? Math.max(marks[0], marks[1]) : Math.min(marks[0], marks[1]);
        uint256 cap = IInstrument(config.instrument).cap(state.series);
        uint256 largestLoss = PositionMath.largestLossDown(size, worst, cap, unit);
        uint256 margin;
        for (uint256 i; i < 2; ++i) {
            state.index = indices[i];
            uint256 required = IMarginModel(config.marginModel).initial(state, marks[i], size);
            required = Math.min(PositionMath.mulUp(required, PositionMath.ONE, unit), largestLoss);
            uint256 fees = PositionMath.feeUp(config.openFee + premium, PositionMath.abs(size), indices[i], unit);
            margin = Math.max(margin, required + config.keeperCap + fees);
        }
        return margin;
    }

    /// @inheritdoc ILens
    function quoteFill(IFactory factory, MarketConfig calldata config, Leg calldata leg, uint256 index, uint256 time)
        external
        view
        returns (FillQuote memory quote)
    {
        IMarket market = _marketOf(factory, config);
        uint256 size = _sizeOf(leg);
        if (index > HealthyRange.HIGHEST) revert IMarket.AmountTooLarge(index);
        Draft memory draft;
        (draft.unit, draft.time) = (_unit(config), time);
        (draft.instrument, draft.model) = (IInstrument(config.instrument), IMarginModel(config.marginModel));
        Snapshot memory state = snapshotOf(market, leg.series);
        (state.reserved, state.idle) = (state.reserved + leg.reserve, Math.saturatingSub(state.idle, leg.reserve));
        quote.premium = _premium(market, config, state, leg.size);
        bool long = leg.size > 0;
        quote.entry = PositionMath.fill(draft.instrument.mark(leg.series, index, time), quote.premium, index, long);
        quote.openFee = PositionMath.feeUp(config.openFee, size, index, draft.unit);
        quote.keeperFee = _keeperFee(config, time);
        quote.margin = Math.saturatingSub(leg.margin, quote.openFee + quote.keeperFee);
        uint256 most = PositionMath.largestGainDown(leg.size, quote.entry, draft.instrument.cap(leg.series), draft.unit);
        uint256 value = PositionMath.valueDown(size, index, draft.unit);
        most = Math.min(most, PositionMath.mulDown(config.largestReserve, value, PositionMath.ONE));
        quote.reserve = Math.min(leg.reserve, most);

        Position memory p = draft.terms;
        (p.series, p.size, p.entry, p.margin, p.reserve) =
        (leg.series, leg.size, quote.entry, quote.margin, quote.reserve);
        draft.carry = Book.carryAt(market.seriesOf(leg.series).carry, time);
        (p.funding, p.borrowing) = draft.carry.atEntry(long);
        (quote.low, quote.high) = HealthyRange.find(abi.encode(draft), _draftHealthy);
    }

    /// @inheritdoc ILens
    function quoteClose(
        IFactory factory,
        MarketConfig calldata config,
        address position,
        uint256 size,
        uint256 index,
        uint256 time
    ) external view returns (CloseQuote memory quote) {
        IMarket market = _marketOf(factory, config);
        Position memory p = market.positionOf(position);
        if (index > HealthyRange.HIGHEST) revert IMarket.AmountTooLarge(index);
        if (p.status == Status.None) revert IMarket.UnknownPosition(position);
        if (p.status != Status.Open) revert IMarket.WrongStatus(position, p.status, Status.Open);
        uint256 held = PositionMath.abs(p.size);
        size = Math.min(size, held);
        int256 change = p.size > 0 ? -int256(size) : int256(size);
        quote.premium = _premium(market, config, snapshotOf(market, p.series), change);
        // The slice that leaves, after the keeper's flat fee on the whole margin.
        uint256 flat = Math.min(_keeperFee(config, time), p.margin);
        p.margin = PositionMath.mulDown(p.margin - flat, size, held);
        p.reserve = PositionMath.mulDown(p.reserve, size, held);
        p.size = -change;
        uint256 unit = _unit(config);
        uint256 mark = IInstrument(config.instrument).mark(p.series, index, time);
        quote.carry = Book.carryAt(market.seriesOf(p.series).carry, time).carryUp(p, index, unit);
        quote.closeFee = PositionMath.feeUp(config.closeFee, size, index, unit);
        Split memory parts = PositionMath.split(
            p.margin,
            p.reserve,
            int256(p.margin) + PositionMath.gainDown(p.size, p.entry, mark, unit) - quote.carry,
            PositionMath.feeUp(config.closeFee + quote.premium, size, index, unit),
            0,
            0
        );
        (quote.toTrader, quote.toPool, quote.toKeeper) = (parts.toTrader, parts.toPool, flat);
    }

    function _marketOf(IFactory factory, MarketConfig calldata config) private view returns (IMarket) {
        // slither-disable-next-line unused-return
        (address market,,) = factory.marketOf(config);
        return IMarket(market);
    }

    /// @dev Pending orders of the same side count, and a premium is kept to nine decimals.
    function _premium(IMarket market, MarketConfig calldata config, Snapshot memory state, int256 change)
        private
        view
        returns (uint256 premium)
    {
        (uint256 long, uint256 short) = (state.long, state.short);
        (uint256 buys, uint256 sells) = Book.pending(market.seriesOf(state.series).sizes);
        if (change > 0) state.long += buys;
        else state.short += sells;
        premium = IInstrument(config.instrument).premium(state, change);
        premium = Math.ceilDiv(premium, PositionStore.PREMIUM) * PositionStore.PREMIUM;
        (state.long, state.short) = (long, short);
    }

    function _mark(MarketConfig calldata config, Snapshot memory state, uint256 index) private view returns (uint256) {
        return IInstrument(config.instrument).mark(state.series, index, state.time);
    }

    /// @dev Of an order of now that is carried out at `time`.
    function _keeperFee(MarketConfig calldata config, uint256 time) private view returns (uint256) {
        uint256 waited = Math.min(Math.saturatingSub(time, block.timestamp + config.delay), config.timeToLive);
        return config.keeperFloor + uint256(config.keeperCap - config.keeperFloor) * waited / config.timeToLive;
    }

    function _unit(MarketConfig calldata config) private view returns (uint256) {
        return 10 ** (36 - IERC20Metadata(config.token).decimals());
    }

    /// @dev The arithmetic is unchecked beyond what a market takes.
    function _sizeOf(Leg calldata leg) private pure returns (uint256 size) {
        size = PositionMath.abs(leg.size);
        if (size > uint256(uint64(type(int64).max)) * PositionMath.LOT) revert IMarket.AmountTooLarge(size);
    }

    function _healthy(bytes memory subject, uint256 index) private view returns (bool) {
        (IMarket market, address position) = abi.decode(subject, (IMarket, address));
        // slither-disable-next-line unused-return
        (int256 equity, uint256 maintenance,) = market.health(position, index, block.timestamp);
        return equity >= int256(maintenance);
    }

    /// @dev The same of what is no position yet, in the market's own order: equity, then what it must be.
    function _draftHealthy(bytes memory subject, uint256 index) private view returns (bool) {
        Draft memory draft = abi.decode(subject, (Draft));
        Position memory p = draft.terms;
        uint256 mark = draft.instrument.mark(p.series, index, draft.time);
        int256 equity = int256(p.margin) + PositionMath.gainDown(p.size, p.entry, mark, draft.unit)
            - draft.carry.carryUp(p, index, draft.unit);
        // slither-disable-next-line unused-return
        (uint256 required,) = draft.model.maintenance(p.series, index, mark, p.size);
        uint256 largestLoss = PositionMath.largestLossDown(p.size, mark, draft.instrument.cap(p.series), draft.unit);
        required = Math.min(PositionMath.mulUp(required, PositionMath.ONE, draft.unit), largestLoss);
        return equity >= int256(required);
    }
}
