// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IEuropeanOptions, Option, OptionGreeks, OptionTerms} from "../interfaces/IEuropeanOptions.sol";
import {IExpiryFixing} from "../interfaces/IExpiryFixing.sol";
import {IInstrument, Snapshot} from "../interfaces/IInstrument.sol";
import {PathSettings} from "../interfaces/IVolatilityPath.sol";
import {BlackScholes} from "../libraries/BlackScholes.sol";
import {OptionFill} from "../libraries/OptionFill.sol";
import {OptionSeries} from "../libraries/OptionSeries.sol";
import {PositionMath} from "../libraries/PositionMath.sol";
import {VolatilityFeed} from "../margin/VolatilityFeed.sol";
import {VolatilityPath} from "../margin/VolatilityPath.sol";

/// @title A family of options: every Friday and every strike of a step, calls and puts.
/// @notice Mark: the Black-Scholes value at the path's volatility, a call's C(K) - C(K + cap), a put's within its strike. Fill: the mark
/// plus what the option costs more (to sell to the pool: less) at the volatility of the side taken, the largest over the indices
/// that are likely until the order has its price, as a share of the index; a buyer pays for the reserve to the expiry as well.
/// @dev What decides a commit (is the feed fresh, is the strike near the money) is asked by `premium`, which is called at the commit:
/// `isOpen` is asked again at the price, of which nothing but its time may decide.
contract EuropeanOptions is IEuropeanOptions, VolatilityPath {
    using OptionSeries for uint24;

    uint256 private constant YEAR = 365 days;
    /// @dev A slower primary leaves less than one price to a sample's minute.
    uint256 private constant SLOWEST = 60;
    /// @dev A surcharge beyond it stops every trade already.
    uint256 private constant MOST_SHARE = 100e18;

    // Read as a whole, by `terms`: each function that a contract has makes all others dearer.
    IExpiryFixing private immutable FIXING;
    uint256 private immutable STRIKE_STEP;
    uint256 private immutable CALL_CAP;
    uint256 private immutable LONGEST_TENOR;
    uint256 private immutable SMALLEST_DELTA;
    uint256 private immutable SPREAD;
    uint256 private immutable SLOPE;
    uint256 private immutable REACH;
    uint256 private immutable HOLDING;
    uint256 private immutable SERIES_SHARE;
    uint256 private immutable DECIMALS;
    /// @dev Seconds before the expiry in which the series stands still.
    uint256 private immutable WINDOW;
    /// @dev The last good price of the volatility feed may be so old, seconds: two intervals of its grid.
    uint256 private immutable FRESH;
    /// @dev reach x sqrt(two intervals in years), 18 decimals: times a volatility, how far the index goes.
    uint256 private immutable RANGE;
    /// @dev From token units to 18 decimals.
    uint256 private immutable SCALE;

    constructor(PathSettings memory path, OptionTerms memory t) VolatilityPath(path) {
        if (t.strikeStep == 0 || t.strikeStep > 1e27) revert ParameterInvalid("strikeStep", t.strikeStep);
        if (t.callCap == 0 || t.callCap > 10 * ONE) revert ParameterInvalid("callCap", t.callCap);
        if (t.longestTenor < 1 days || t.longestTenor >= YEAR) revert ParameterInvalid("longestTenor", t.longestTenor);
        if (t.smallestDelta == 0 || t.smallestDelta >= ONE / 2) {
            revert ParameterInvalid("smallestDelta", t.smallestDelta);
        }
        if (t.spread < ONE / 10 || t.spread > ONE) revert ParameterInvalid("spread", t.spread);
        if (t.slope > ONE - t.spread) revert ParameterInvalid("slope", t.slope);
        if (t.reach < ONE || t.reach > 10 * ONE) revert ParameterInvalid("reach", t.reach);
        if (t.holding > ONE) revert ParameterInvalid("holding", t.holding);
        if (t.seriesShare == 0 || t.seriesShare > ONE) revert ParameterInvalid("seriesShare", t.seriesShare);
        if (t.decimals > 18) revert ParameterInvalid("decimals", t.decimals);
        FIXING = IExpiryFixing(t.fixing);
        address other = address(FIXING.ORACLE());
        if (other != address(ORACLE)) revert OraclesDiffer(address(ORACLE), other);
        WINDOW = FIXING.WINDOW();
        uint256 heartbeat = ORACLE.heartbeat();
        if (heartbeat > SLOWEST) revert FeedTooSlow(heartbeat, SLOWEST);
        FRESH = 2 * VolatilityFeed(path.feed).INTERVAL();
        RANGE = PositionMath.mulUp(t.reach, Math.sqrt(FRESH * ONE * ONE / YEAR, Math.Rounding.Ceil), ONE);
        (STRIKE_STEP, CALL_CAP, LONGEST_TENOR) = (t.strikeStep, t.callCap, t.longestTenor);
        (SMALLEST_DELTA, SPREAD, SLOPE, REACH) = (t.smallestDelta, t.spread, t.slope, t.reach);
        (HOLDING, SERIES_SHARE, DECIMALS, SCALE) = (t.holding, t.seriesShare, t.decimals, 10 ** (18 - t.decimals));
    }

    // ---------------------------------------------------------------- the market's questions

    /// @inheritdoc IInstrument
    /// @dev Up to the settlement window, from the longest tenor on; and never after the expiry, for an order that nobody executed.
    function isOpen(uint24 series, uint256 time) external view returns (bool) {
        uint256 expiry = series.expiry();
        return
            series.number() != 0 && time + WINDOW < expiry && expiry - time <= LONGEST_TENOR && block.timestamp < expiry;
    }

    /// @inheritdoc IInstrument
    function mark(uint24 series, uint256 index, uint256 time) external view returns (uint256) {
        Option memory o = optionOf(series);
        if (time + WINDOW >= o.expiry) {
            (bool known, uint256 fixing) = FIXING.fixingOf(o.expiry);
            if (known) return _payoff(o, fixing);
            // slither-disable-next-line unused-return
            (bool ended,,) = ORACLE.finalPrice();
            if (!ended) revert InSettlement(series, o.expiry);
        }
        return _value(o, index, volatilityAt(time), Math.saturatingSub(o.expiry, time));
    }

    /// @inheritdoc IInstrument
    function cap(uint24 series) external view returns (uint256) {
        return optionOf(series).cap;
    }

    /// @inheritdoc IInstrument
    function hasCarry() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IInstrument
    function isLinear() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IInstrument
    function carry(Snapshot calldata, uint256, uint256) external pure returns (int256, uint256) {
        return (0, 0);
    }

    /// @inheritdoc IInstrument
    function finalMark(uint24 series) external view returns (bool known, uint256 mark_, uint256 index) {
        Option memory o = optionOf(series);
        (known, index) = FIXING.fixingOf(o.expiry);
        if (known) mark_ = _payoff(o, index);
    }

    /// @inheritdoc IInstrument
    /// @dev At the commit the index is 0: the rate then holds for the whole range, and the feed must be fresh. A call's second leg, which
    /// would make it cheaper, is left out.
    function premium(Snapshot calldata state, int256 size) external view returns (uint256 rate) {
        Option memory o = optionOf(state.series);
        uint256 left = Math.saturatingSub(o.expiry, state.time);
        (uint256 fast, uint256 slow, uint256 price, uint256 last) = FEED.observed();
        (uint256 bid, uint256 middle, uint256 ask) = _volatilities(fast, slow, _used(state), state.time);
        bool commit = state.index == 0;
        (uint256 low, uint256 high) = commit ? _range(Math.max(fast, slow), price, last) : (state.index, state.index);
        (uint256 below, uint256 above) = size > 0 ? (middle, ask) : (bid, middle);
        rate = OptionFill.largestDifferenceUp(o.strike, low, high, below, above, left);
        if (!commit) return rate;
        if (state.long == 0 && state.short == 0) _requireInBand(o, Math.average(low, high), middle, left);
        if (size > 0) rate += PositionMath.mulUp(_holdingUp(state, o, uint256(size), left), o.cap, low);
    }

    // ---------------------------------------------------------------- what readers ask

    /// @inheritdoc IEuropeanOptions
    function terms() external view returns (OptionTerms memory t) {
        (t.fixing, t.strikeStep, t.callCap, t.longestTenor) = (address(FIXING), STRIKE_STEP, CALL_CAP, LONGEST_TENOR);
        (t.smallestDelta, t.spread, t.slope, t.reach) = (SMALLEST_DELTA, SPREAD, SLOPE, REACH);
        (t.holding, t.seriesShare, t.decimals) = (HOLDING, SERIES_SHARE, DECIMALS);
    }

    /// @inheritdoc IEuropeanOptions
    function optionOf(uint24 series) public view returns (Option memory o) {
        (o.put, o.expiry, o.strike) = (series.isPut(), series.expiry(), series.number() * STRIKE_STEP);
        o.cap = o.put ? o.strike : PositionMath.mulDown(o.strike, CALL_CAP, ONE);
    }

    /// @inheritdoc IEuropeanOptions
    function seriesFor(bool put, uint256 expiry, uint256 strike) external view returns (uint24) {
        if (strike % STRIKE_STEP != 0) revert OptionSeries.SeriesInvalid(expiry, 0);
        return OptionSeries.encode(put, expiry, strike / STRIKE_STEP);
    }

    /// @inheritdoc IEuropeanOptions
    function greeks(uint24 series, uint256 index, uint256 time) external view returns (OptionGreeks memory g) {
        Option memory o = optionOf(series);
        if (time + WINDOW >= o.expiry) revert InSettlement(series, o.expiry);
        uint256 sigma = volatilityAt(time);
        (g.delta, g.gamma, g.vega, g.theta) = _greeks(index, o.strike, sigma, o.expiry - time);
        if (o.put) {
            g.delta -= int256(ONE);
        } else {
            (int256 delta, int256 gamma, int256 vega, int256 theta) =
                _greeks(index, o.strike + o.cap, sigma, o.expiry - time);
            (g.delta, g.gamma, g.vega, g.theta) = (g.delta - delta, g.gamma - gamma, g.vega - vega, g.theta - theta);
        }
        g.mark = _value(o, index, sigma, o.expiry - time);
    }

    /// @inheritdoc IEuropeanOptions
    function volatilities(uint256 used) external view returns (uint256 bid, uint256 middle, uint256 ask) {
        // slither-disable-next-line unused-return
        (uint256 fast, uint256 slow,,) = FEED.observed();
        return _volatilities(fast, slow, Math.min(used, ONE), block.timestamp);
    }

    /// @inheritdoc IEuropeanOptions
    function range() external view returns (uint256 low, uint256 high) {
        (uint256 fast, uint256 slow, uint256 price, uint256 last) = FEED.observed();
        return _range(Math.max(fast, slow), price, last);
    }

    // ---------------------------------------------------------------- values

    function _value(Option memory o, uint256 index, uint256 sigma, uint256 left) private pure returns (uint256) {
        (uint256 call, uint256 put) = BlackScholes.price(index, o.strike, sigma, left);
        if (o.put) return put;
        // slither-disable-next-line unused-return
        (uint256 beyond,) = BlackScholes.price(index, o.strike + o.cap, sigma, left);
        return Math.min(Math.saturatingSub(call, beyond), o.cap);
    }

    function _payoff(Option memory o, uint256 index) private pure returns (uint256) {
        if (o.put) return Math.saturatingSub(o.strike, index);
        return Math.min(Math.saturatingSub(index, o.strike), o.cap);
    }

    function _greeks(uint256 index, uint256 strike, uint256 sigma, uint256 left)
        private
        pure
        returns (int256 delta, int256 gamma, int256 vega, int256 theta)
    {
        uint256[3] memory u;
        // slither-disable-next-line unused-return
        (,, u[0], u[1], u[2], theta) = BlackScholes.greeks(index, strike, sigma, left);
        (delta, gamma, vega) = (int256(u[0]), int256(u[1]), int256(u[2]));
    }

    // ---------------------------------------------------------------- fills

    /// @dev Share of the pool that is bound, at most 1.
    function _used(Snapshot calldata state) private pure returns (uint256) {
        uint256 total = state.reserved + state.idle;
        return total == 0 ? 0 : PositionMath.mulUp(state.reserved, ONE, total);
    }

    /// @dev Never better for the trader than the mark's.
    function _volatilities(uint256 fast, uint256 slow, uint256 used, uint256 time)
        private
        view
        returns (uint256 bid, uint256 middle, uint256 ask)
    {
        uint256 spread = SPREAD + PositionMath.mulUp(SLOPE, used, ONE);
        middle = volatilityAt(time);
        ask = Math.max(middle, PositionMath.mulUp(Math.max(fast, slow), ONE + spread, ONE));
        bid = Math.min(middle, PositionMath.mulDown(Math.min(fast, slow), ONE - spread, ONE));
    }

    /// @dev Around the feed's last good price, which may be two intervals old.
    function _range(uint256 volatility, uint256 price, uint256 last) private view returns (uint256 low, uint256 high) {
        if (block.timestamp > last + FRESH) revert VolatilityBehind(last, block.timestamp);
        uint256 wide = ONE + PositionMath.mulUp(volatility, RANGE, ONE);
        low = Math.max(PositionMath.mulDown(price, ONE, wide), 1);
        high = PositionMath.mulUp(price, wide, ONE);
    }

    function _requireInBand(Option memory o, uint256 index, uint256 sigma, uint256 left) private view {
        // slither-disable-next-line unused-return
        (,, uint256 delta,,,) = BlackScholes.greeks(index, o.strike, sigma, left);
        if (delta < SMALLEST_DELTA || delta > ONE - SMALLEST_DELTA) {
            revert StrikeOutOfBand(delta, SMALLEST_DELTA, ONE - SMALLEST_DELTA);
        }
    }

    /// @dev What a buyer pays for the reserve, as a share of the cap: the rate to the expiry, and what the caps of the longs would be
    /// of the pool beyond the series' share of it.
    function _holdingUp(Snapshot calldata state, Option memory o, uint256 size, uint256 left)
        private
        view
        returns (uint256)
    {
        uint256 total = Math.max((state.reserved + state.idle) * SCALE, 1);
        uint256 bound = PositionMath.mulUp(state.long + size, o.cap, ONE);
        uint256 share = Math.min(PositionMath.mulUp(bound, ONE, total), MOST_SHARE);
        return PositionMath.mulUp(HOLDING, left, YEAR) + Math.saturatingSub(share, SERIES_SHARE);
    }
}
