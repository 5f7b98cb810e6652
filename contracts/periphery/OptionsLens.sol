// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IEuropeanOptions, Option, OptionGreeks} from "../interfaces/IEuropeanOptions.sol";
import {IExpiryFixing} from "../interfaces/IExpiryFixing.sol";
import {IFactory} from "../interfaces/IFactory.sol";
import {Snapshot} from "../interfaces/IInstrument.sol";
import {ILens} from "../interfaces/ILens.sol";
import {IMarginModel} from "../interfaces/IMarginModel.sol";
import {IMarket, Leg, MarketConfig} from "../interfaces/IMarket.sol";
import {IOptionsLens, LegQuote, Listing} from "../interfaces/IOptionsLens.sol";
import {OptionSeries} from "../libraries/OptionSeries.sol";
import {PositionMath} from "../libraries/PositionMath.sol";
import {HealthyRange} from "./HealthyRange.sol";
import {snapshotOf} from "./SeriesSnapshot.sol";

/// @title Options for readers, from the same functions that the market acts by.
contract OptionsLens is IOptionsLens {
    uint256 private constant ONE = 1e18;

    /// @dev A leg that is not open yet, as the market would judge it.
    struct Draft {
        address instrument;
        address model;
        Leg leg;
        uint256 entry;
        int256 margin;
        uint256 unit;
    }

    /// @inheritdoc IOptionsLens
    function expiries(IEuropeanOptions options, uint256 weeks_, uint256 months)
        external
        view
        returns (uint256[] memory found)
    {
        uint256 last = block.timestamp + options.terms().longestTenor;
        uint256 count;
        uint256 next = (block.timestamp - OptionSeries.ORIGIN) / OptionSeries.WEEK + 1;
        uint256 end = (last - OptionSeries.ORIGIN) / OptionSeries.WEEK;
        found = new uint256[](end < next ? 0 : end - next + 1);
        for (uint256 week = next; week <= end; ++week) {
            uint256 time = OptionSeries.ORIGIN + week * OptionSeries.WEEK;
            bool monthly = _month(time + OptionSeries.WEEK) != _month(time);
            if (week < next + weeks_ || (monthly && months != 0)) found[count++] = time;
            if (monthly && months != 0) --months;
        }
        assembly ("memory-safe") {
            mstore(found, count) // shorter, never longer
        }
    }

    /// @inheritdoc IOptionsLens
    function seriesAround(
        IEuropeanOptions options,
        uint256 index,
        uint256 each,
        uint256 every,
        uint256[] calldata expiries_
    ) external view returns (uint24[] memory found) {
        uint256 distance = every * options.terms().strikeStep;
        // slither-disable-next-line divide-before-multiply
        uint256 middle = (index + distance / 2) / distance * every; // the nearest strike, in steps
        found = new uint24[](expiries_.length * (2 * each + 1) * 2);
        uint256 count;
        for (uint256 e; e < expiries_.length; ++e) {
            for (uint256 i; i <= 2 * each; ++i) {
                uint256 number = middle + i * every;
                if (number <= each * every || number - each * every > OptionSeries.MAX_NUMBER) continue;
                found[count++] = OptionSeries.encode(false, expiries_[e], number - each * every);
                found[count++] = OptionSeries.encode(true, expiries_[e], number - each * every);
            }
        }
        assembly ("memory-safe") {
            mstore(found, count) // shorter, never longer
        }
    }

    /// @inheritdoc IOptionsLens
    function listings(IMarket market, IEuropeanOptions options, uint24[] calldata series, uint256 index)
        external
        view
        returns (Listing[] memory found)
    {
        found = new Listing[](series.length);
        IExpiryFixing fixing = IExpiryFixing(options.terms().fixing);
        for (uint256 i; i < series.length; ++i) {
            Listing memory shown = found[i];
            (shown.series, shown.option) = (series[i], options.optionOf(series[i]));
            Snapshot memory state = snapshotOf(market, shown.series);
            (shown.long, shown.short) = (state.long, state.short);
            (shown.fixed_, shown.fixing) = fixing.fixingOf(shown.option.expiry);
            if (!options.isOpen(shown.series, block.timestamp)) continue;
            shown.greeks = options.greeks(shown.series, index, block.timestamp);
            try options.premium(state, int256(PositionMath.LOT)) returns (uint256 rate) {
                shown.open = true;
                shown.ask = PositionMath.fill(shown.greeks.mark, rate, index, true);
                rate = options.premium(state, -int256(PositionMath.LOT));
                shown.bid = PositionMath.fill(shown.greeks.mark, rate, index, false);
            } catch {} // far from the money, or the feed is behind: no order is taken
        }
    }

    /// @inheritdoc IOptionsLens
    function quoteLegs(
        ILens lens,
        IFactory factory,
        MarketConfig calldata config,
        Leg[] calldata legs,
        uint256 low,
        uint256 high,
        uint256 index
    ) external view returns (LegQuote[] memory quotes, uint256 largestLoss, OptionGreeks memory whole) {
        quotes = new LegQuote[](legs.length);
        for (uint256 i; i < legs.length; ++i) {
            quotes[i].quote = lens.quoteOpen(factory, config, legs[i], low, high);
            OptionGreeks memory g = IEuropeanOptions(config.instrument).greeks(legs[i].series, index, block.timestamp);
            _quote(quotes[i], config, legs[i], index, g.mark);
            largestLoss += quotes[i].largestLoss;
            _add(whole, g, legs[i].size);
        }
    }

    /// @dev What can be lost with a leg is what it could lose from its entry, and its fees, up to its margin. The settlement's fee is
    /// that of the index at which the payoff is worst, the nearest to the strike.
    function _quote(LegQuote memory q, MarketConfig calldata config, Leg calldata leg, uint256 index, uint256 mark)
        private
        view
    {
        Draft memory d;
        (d.instrument, d.model, d.leg) = (config.instrument, config.marginModel, leg);
        d.unit = 10 ** (36 - IERC20Metadata(config.token).decimals());
        uint256 size = PositionMath.abs(leg.size);
        bool buy = leg.size > 0;
        d.entry = q.entry = PositionMath.fill(mark, q.quote.premium, index, buy);
        Option memory o = IEuropeanOptions(config.instrument).optionOf(leg.series);
        uint256 fees = config.keeperCap + PositionMath.feeUp(config.openFee, size, index, d.unit);
        uint256 worst = PositionMath.valueUp(size, buy ? q.entry : Math.saturatingSub(o.cap, q.entry), d.unit);
        uint256 worstAt = buy ? o.strike : o.put ? 0 : o.strike + o.cap;
        worst += config.keeperFloor + PositionMath.feeUp(config.closeFee, size, worstAt, d.unit);
        q.largestLoss = Math.min(leg.margin, worst + fees);
        d.margin = int256(leg.margin) - int256(fees);
        (q.low, q.high) = HealthyRange.find(abi.encode(d), _healthy);
    }

    function _healthy(bytes memory subject, uint256 index) private view returns (bool) {
        Draft memory d = abi.decode(subject, (Draft));
        uint256 mark = IEuropeanOptions(d.instrument).mark(d.leg.series, index, block.timestamp);
        // slither-disable-next-line unused-return
        (uint256 maintenance,) = IMarginModel(d.model).maintenance(d.leg.series, index, mark, d.leg.size);
        uint256 cap = IEuropeanOptions(d.instrument).cap(d.leg.series);
        uint256 loss = PositionMath.largestLossDown(d.leg.size, mark, cap, d.unit);
        maintenance = Math.min(PositionMath.mulUp(maintenance, ONE, d.unit), loss);
        return d.margin + PositionMath.gainDown(d.leg.size, d.entry, mark, d.unit) >= int256(maintenance);
    }

    /// @dev Rounded towards zero: nobody's money.
    function _add(OptionGreeks memory whole, OptionGreeks memory g, int256 size) private pure {
        int256 one = int256(ONE);
        whole.mark += PositionMath.mulDown(PositionMath.abs(size), g.mark, ONE);
        whole.delta += g.delta * size / one;
        whole.gamma += g.gamma * size / one;
        whole.vega += g.vega * size / one;
        whole.theta += g.theta * size / one;
    }

    /// @dev Months since the year 0, of the civil calendar (Hinnant, chrono-Compatible Low-Level Date Algorithms, 2013).
    // slither-disable-start divide-before-multiply,weak-prng
    function _month(uint256 time) private pure returns (uint256) {
        uint256 day = time / 1 days + 719_468; // since 1 March of the year 0
        uint256 era = day / 146_097;
        uint256 ofEra = day % 146_097;
        uint256 year = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365;
        uint256 month = (5 * (ofEra - (365 * year + year / 4 - year / 100)) + 2) / 153; // March is 0
        return (era * 400 + year) * 12 + month;
    }
    // slither-disable-end divide-before-multiply,weak-prng
}
