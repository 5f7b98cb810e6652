// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IEuropeanOptions, OptionTerms} from "../interfaces/IEuropeanOptions.sol";
import {IExpiryFixing} from "../interfaces/IExpiryFixing.sol";
import {IMarginModel} from "../interfaces/IMarginModel.sol";
import {Snapshot} from "../interfaces/IInstrument.sol";
import {IVolatilityFeed} from "../interfaces/IVolatilityFeed.sol";
import {OptionSeries} from "../libraries/OptionSeries.sol";
import {PositionMath} from "../libraries/PositionMath.sol";

/// @param options the instrument
/// @param normal volatility at which the rates are as stated; they are proportional to it, 1e18 = 100 %
/// @param least, most factor of the rates, however small or large volatility is
/// @param initial rate of the spot at the money, @param initialFloor of the spot out of the money
/// @param target rate that a partial liquidation restores, @param maintenance rate to stay open
struct OptionMarginTerms {
    address options;
    uint256 normal;
    uint256 least;
    uint256 most;
    uint256 initial;
    uint256 initialFloor;
    uint256 target;
    uint256 maintenance;
}

/// @title What a short option must have on top of its mark. A long has paid its fill, which is all that it can lose; once the
/// settlement price is known nothing is needed.
/// @notice Derive's standard margin (docs.derive.xyz, Standard Margin), less the mark, which equity is net of already:
///   call: maintenance rate x S, initial max(initial - otm, floor) x S, otm = max(0, K / S - 1)
///   put: the same of the larger of its mark and what it can still lose, otm = max(0, 1 - K / S)
/// with rates in proportion to volatility; never above the largest loss still possible.
/// @dev A put can still lose K - mark = S - C(S) <= min(S, K). A put's equity less r max(K - P, P) falls as P rises for every r <= 1, and P
/// falls as S rises: so health is monotone in the index, which with S or min(S, K) in its place it is not.
contract OptionMargin is IMarginModel {
    using OptionSeries for uint24;

    uint256 private constant ONE = 1e18;
    /// @dev By so much at least target and maintenance differ, so that no rounding makes them equal.
    uint256 private constant APART = 1e14;

    IEuropeanOptions private immutable OPTIONS;
    IVolatilityFeed private immutable FEED;
    uint256 private immutable STRIKE_STEP;
    uint256 private immutable CALL_CAP;
    uint256 private immutable WINDOW;
    uint256 private immutable NORMAL;
    uint256 private immutable LEAST;
    uint256 private immutable MOST;
    uint256 private immutable INITIAL;
    uint256 private immutable INITIAL_FLOOR;
    uint256 private immutable TARGET;
    uint256 private immutable MAINTENANCE;

    /// @notice Not 0 < maintenance < target <= floor <= initial <= 100 % at the largest factor, or target less than a basis point
    /// above maintenance.
    error OptionRatesInvalid(uint256 initial, uint256 initialFloor, uint256 target, uint256 maintenance);
    /// @notice A parameter of the constructor is out of its range.
    error ParameterInvalid(string name, uint256 value);

    constructor(OptionMarginTerms memory t) {
        if (t.normal < ONE / 100 || t.normal > 10 * ONE) revert ParameterInvalid("normal", t.normal);
        if (t.least < ONE / 10 || t.least > t.most) revert ParameterInvalid("least", t.least);
        if (t.most > 10 * ONE) revert ParameterInvalid("most", t.most);
        if (
            t.maintenance < APART || t.target < t.maintenance + APART || t.initialFloor < t.target
                || t.initial < t.initialFloor || t.initial > ONE * ONE / t.most
        ) revert OptionRatesInvalid(t.initial, t.initialFloor, t.target, t.maintenance);
        OPTIONS = IEuropeanOptions(t.options);
        OptionTerms memory family = OPTIONS.terms();
        (STRIKE_STEP, CALL_CAP) = (family.strikeStep, family.callCap);
        (FEED, WINDOW) = (IVolatilityFeed(OPTIONS.path().feed), IExpiryFixing(family.fixing).WINDOW());
        (NORMAL, LEAST, MOST) = (t.normal, t.least, t.most);
        (INITIAL, INITIAL_FLOOR, TARGET, MAINTENANCE) = (t.initial, t.initialFloor, t.target, t.maintenance);
    }

    /// @notice What the model was built from.
    function terms() external view returns (OptionMarginTerms memory) {
        return OptionMarginTerms(address(OPTIONS), NORMAL, LEAST, MOST, INITIAL, INITIAL_FLOOR, TARGET, MAINTENANCE);
    }

    /// @inheritdoc IMarginModel
    function initial(Snapshot calldata state, uint256 mark, int256 size) external view returns (uint256) {
        if (size > 0) return PositionMath.mulUp(uint256(size), mark, ONE);
        uint256 factor = _factorUp(Math.max(OPTIONS.volatilityAt(block.timestamp), FEED.fast()));
        uint256 floor = PositionMath.mulUp(INITIAL_FLOOR, factor, ONE);
        uint256 rate = PositionMath.mulUp(INITIAL, factor, ONE);
        rate = Math.max(Math.saturatingSub(rate, _outOfTheMoney(state.series, state.index)), floor);
        return _required(state.series, state.index, mark, rate, size);
    }

    /// @inheritdoc IMarginModel
    function looksAtMarket() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IMarginModel
    function maintenance(uint24 series, uint256 index, uint256 mark, int256 size)
        external
        view
        returns (uint256, uint256)
    {
        // Once the payoff is known nothing more can be lost: who settles and who liquidates must come to the same.
        if (size > 0 || _isFixed(series)) return (0, 0);
        uint256 factor = _factorUp(OPTIONS.volatilityAt(block.timestamp));
        return (
            _required(series, index, mark, PositionMath.mulUp(MAINTENANCE, factor, ONE), size),
            _required(series, index, mark, PositionMath.mulUp(TARGET, factor, ONE), size)
        );
    }

    function _isFixed(uint24 series) private view returns (bool known) {
        if (block.timestamp + WINDOW < series.expiry()) return false;
        // slither-disable-next-line unused-return
        (known,,) = OPTIONS.finalMark(series);
    }

    function _required(uint24 series, uint256 index, uint256 mark, uint256 rate, int256 size)
        private
        view
        returns (uint256)
    {
        bool put = series.isPut();
        uint256 cap = _strike(series);
        if (!put) cap = PositionMath.mulDown(cap, CALL_CAP, ONE);
        uint256 left = Math.saturatingSub(cap, mark);
        uint256 unit = PositionMath.mulUp(rate, put ? Math.max(left, mark) : index, ONE);
        return PositionMath.mulUp(PositionMath.abs(size), Math.min(unit, left), ONE);
    }

    /// @dev How far the strike lies beyond the index, as a share of the index; rounded down.
    function _outOfTheMoney(uint24 series, uint256 index) private view returns (uint256) {
        uint256 strike = _strike(series);
        (uint256 near, uint256 far) = series.isPut() ? (strike, index) : (index, strike);
        return index == 0 ? 0 : PositionMath.mulDown(Math.saturatingSub(far, near), ONE, index);
    }

    function _strike(uint24 series) private view returns (uint256) {
        return series.number() * STRIKE_STEP;
    }

    function _factorUp(uint256 volatility) private view returns (uint256) {
        return Math.min(Math.max(PositionMath.mulUp(volatility, ONE, NORMAL), LEAST), MOST);
    }
}
