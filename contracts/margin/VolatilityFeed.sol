// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IOracle} from "../interfaces/IOracle.sol";
import {IVolatilityFeed, VolatilitySettings, VolatilityState} from "../interfaces/IVolatilityFeed.sol";
import {Elementary} from "../libraries/Elementary.sol";
import {Exponential} from "../libraries/Exponential.sol";
import {Logarithm} from "../libraries/Logarithm.sol";
import {PositionMath} from "../libraries/PositionMath.sol";

/// @title Exponentially weighted realised variance of an oracle's prices on a fixed grid of times.
/// @notice v' = d ** k v + (1 - d ** k) r ** 2 year / (k interval), d = e ** (-interval / memory), r = ln(price / price before), k the
/// intervals between (RiskMetrics, 1996; Hull, Options, Futures and Other Derivatives, chapter on volatility). r ** 2 / k is at most
/// maxReturn ** 2. Variance is rounded to the nearest unit: it is nobody's money.
/// @dev The price of a grid point is the oracle's proven first one after it: whoever calls, whenever in the point's life, the outcome
/// is the same. A phase is bound only while the next point lies ahead, so nobody chooses it knowing its prices.
/// Nothing overflows, and nothing pays for a check of it: variances are below 2 ** 54, samples below 2 ** 71, weights below 2 ** 90,
/// volatilities below 2 ** 64, logarithms below 2 ** 97.
contract VolatilityFeed is IVolatilityFeed {
    using Exponential for uint256;

    uint256 private constant ONE = 1e18;
    uint256 private constant YEAR = 365 days;
    /// @dev Fraction bits of a variance, and its largest value, just below 128.
    uint256 private constant FRACTION = 47;
    uint256 private constant MAX_VARIANCE = 2 ** 54 - 1;
    /// @dev A longer gap counts as so many intervals.
    uint256 private constant MAX_GAP = 2 ** 14 - 1;
    uint256 private constant MANTISSA = 43;
    /// @dev Of the ramped volatility, as it is stored.
    uint256 private constant UNIT = 1e12;
    /// @dev Units that the ramp lifts the floor by in an interval, at least: of them an update may lose one.
    uint256 private constant STEPS = 10;

    IOracle public immutable ORACLE;
    uint256 public immutable INTERVAL;
    uint256 public immutable LIFE;
    uint256 public immutable MAX_RETURN;
    uint256 public immutable FLOOR;
    /// @notice What is left of a weight after an interval, 27 decimals.
    uint256 public immutable FAST_DECAY;
    uint256 public immutable SLOW_DECAY;
    /// @notice 1 / (1 + ramp) ** (1 / 3600): how far the ramped volatility falls in a second, 27 decimals. It rises by the inverse.
    uint256 public immutable RAMP_DECAY;

    uint256 private _word;

    constructor(VolatilitySettings memory s) {
        if (s.interval < 300 || s.interval > 1 days) revert ParameterInvalid("interval", s.interval);
        if (s.life <= IOracle(s.oracle).heartbeat() || s.life > 2 days) revert ParameterInvalid("life", s.life);
        if (s.fastTime < s.interval) revert ParameterInvalid("fastTime", s.fastTime);
        if (s.slowTime <= s.fastTime || s.slowTime > 10 * YEAR) revert ParameterInvalid("slowTime", s.slowTime);
        if (s.maxReturn == 0 || s.maxReturn > 10 * ONE) revert ParameterInvalid("maxReturn", s.maxReturn);
        if (s.ramp > 10 * ONE) revert ParameterInvalid("ramp", s.ramp);
        if (s.floor == 0 || s.floor % UNIT != 0) revert ParameterInvalid("floor", s.floor);
        if (s.start < s.floor || s.start > 10 * ONE) revert ParameterInvalid("start", s.start);
        (ORACLE, INTERVAL, LIFE) = (IOracle(s.oracle), s.interval, s.life);
        (MAX_RETURN, FLOOR) = (s.maxReturn, s.floor);
        FAST_DECAY = (s.interval * Exponential.ONE / s.fastTime).decay();
        SLOW_DECAY = (s.interval * Exponential.ONE / s.slowTime).decay();
        RAMP_DECAY = (uint256(Logarithm.ln(ONE + s.ramp, ONE)) / 1 hours).decay();
        if (s.floor * Exponential.ONE / RAMP_DECAY.power(s.interval) < s.floor + STEPS * UNIT) {
            revert ParameterInvalid("ramp", s.ramp);
        }
        VolatilityState memory first;
        first.fast = first.slow = (s.start * s.start << FRACTION) / ONE ** 2;
        _advance(first, block.timestamp / s.interval + 1, s.start);
    }

    /// @inheritdoc IVolatilityFeed
    function update(bytes calldata proof) external {
        unchecked {
            VolatilityState memory s = state();
            uint256 time = s.next * INTERVAL;
            if (block.timestamp > time + LIFE) revert PointExpired(time, time + LIFE);
            // Before the grid time the oracle has no price after it. Its price's own time adds nothing.
            // slither-disable-next-line unused-return
            (uint256 index,, bool undisputed) = ORACLE.firstAfter(uint16(s.phase), time, proof);
            uint256 ramped_ = _ramped(s);
            if (undisputed) _count(s, index);
            else s.gap = Math.min(s.gap + 1, MAX_GAP);
            _advance(s, s.next + 1, ramped_);
            emit Updated(time, undisputed ? index : 0);
        }
    }

    /// @inheritdoc IVolatilityFeed
    function skip() external {
        VolatilityState memory s = state();
        uint256 time = s.next * INTERVAL;
        if (block.timestamp <= time + LIFE) revert PointNotExpired(time, time + LIFE);
        uint256 next = block.timestamp / INTERVAL + 1;
        s.gap = Math.min(s.gap + next - s.next, MAX_GAP);
        _advance(s, next, _ramped(s));
        emit Skipped(time, next * INTERVAL);
    }

    /// @inheritdoc IVolatilityFeed
    function due() external view returns (bool isDue, bool expired, uint256 time, uint16 phase) {
        VolatilityState memory s = state();
        (time, phase) = (s.next * INTERVAL, uint16(s.phase));
        expired = block.timestamp > time + LIFE;
        isDue = !expired && block.timestamp > time;
    }

    /// @inheritdoc IVolatilityFeed
    function fast() external view returns (uint256) {
        return _rootUp(_word & MAX_VARIANCE);
    }

    /// @inheritdoc IVolatilityFeed
    function slow() external view returns (uint256) {
        return _rootUp(_word >> 54 & MAX_VARIANCE);
    }

    /// @inheritdoc IVolatilityFeed
    function ramped() external view returns (uint256) {
        return _ramped(state());
    }

    /// @inheritdoc IVolatilityFeed
    function highest() external view returns (uint256) {
        VolatilityState memory s = state();
        return Math.max(_rootUp(Math.max(s.fast, s.slow)), _ramped(s));
    }

    /// @inheritdoc IVolatilityFeed
    function observed() external view returns (uint256, uint256, uint256, uint256) {
        VolatilityState memory s = state();
        uint256 price = _price(s);
        return (_rootUp(s.fast), _rootUp(s.slow), price, price != 0 ? (s.next - s.gap) * INTERVAL : 0);
    }

    /// @inheritdoc IVolatilityFeed
    function state() public view returns (VolatilityState memory s) {
        uint256 word = _word;
        s.fast = word & MAX_VARIANCE;
        s.slow = word >> 54 & MAX_VARIANCE;
        s.price = word >> 108 & 2 ** 50 - 1;
        s.gap = word >> 158 & MAX_GAP;
        s.next = word >> 172 & 2 ** 26 - 1;
        s.phase = uint16(word >> 198);
        s.ramped = uint24(word >> 214);
        s.offset = word >> 238;
    }

    /// @dev A good price: the return since the last one counts for all intervals between.
    function _count(VolatilityState memory s, uint256 index) private view {
        unchecked {
            if (s.price != 0) {
                uint256 r = PositionMath.abs(Logarithm.ln(index, _price(s)));
                uint256 square = Math.min(r * r / ONE / s.gap, MAX_RETURN * MAX_RETURN); // 36 decimals
                uint256 scale = INTERVAL * ONE ** 2;
                uint256 variance = ((square * YEAR << FRACTION) + scale / 2) / scale;
                s.fast = _mixed(s.fast, FAST_DECAY.power(s.gap), variance);
                s.slow = _mixed(s.slow, SLOW_DECAY.power(s.gap), variance);
            }
            uint256 exponent = Math.saturatingSub(Math.log2(index), MANTISSA - 1);
            s.price = (index >> exponent) << 7 | exponent;
            s.gap = 1;
        }
    }

    function _price(VolatilityState memory s) private pure returns (uint256) {
        return (s.price >> 7) << (s.price & 127);
    }

    /// @dev Saturates where the lane ends, at a volatility of 1,131 %.
    function _mixed(uint256 variance, uint256 decay, uint256 sample) private pure returns (uint256) {
        unchecked {
            uint256 sum = variance * decay + sample * (Exponential.ONE - decay) + Exponential.ONE / 2;
            return Math.min(sum / Exponential.ONE, MAX_VARIANCE);
        }
    }

    /// @dev Goes on to another grid time; the ramp goes on from where it is. Rounded down, so that it never rises faster than it may:
    /// with every update it loses a unit at most, and there is one an interval.
    function _advance(VolatilityState memory s, uint256 next, uint256 ramped_) private {
        unchecked {
            if (next * INTERVAL > block.timestamp) s.phase = ORACLE.commitment();
            _word = s.fast | s.slow << 54 | s.price << 108 | s.gap << 158 | next << 172 | s.phase << 198
                | (ramped_ / UNIT) << 214 | (block.timestamp - (next - 1) * INTERVAL) << 238;
        }
    }

    /// @dev Towards the larger volatility by a factor of (1 + ramp) ** hours at most, whatever happens in between.
    function _ramped(VolatilityState memory s) private view returns (uint256) {
        unchecked {
            uint256 target = Math.max(_rootUp(Math.max(s.fast, s.slow)), FLOOR);
            uint256 from = s.ramped * UNIT;
            uint256 left = RAMP_DECAY.power(block.timestamp - ((s.next - 1) * INTERVAL + s.offset));
            if (from >= target) return Math.max(target, Math.ceilDiv(from * left, Exponential.ONE));
            return left > 0 ? Math.min(target, from * Exponential.ONE / left) : target;
        }
    }

    /// @dev The volatility of a variance, 18 decimals.
    function _rootUp(uint256 variance) private pure returns (uint256) {
        unchecked {
            return Elementary.sqrtUp(variance * ONE ** 2 + (1 << FRACTION) - 1 >> FRACTION);
        }
    }
}
