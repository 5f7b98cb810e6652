// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {PositionMath} from "./PositionMath.sol";
import {Position} from "../interfaces/IMarket.sol";

/// @notice Sums over the open positions of one side of a series: with its size, all that is needed to value them together.
/// @dev Bits from the lowest. amounts: margin / 256 (it only bounds a loss) 80, reserve 88, size x entry 88, token units.
/// indices: reserve x borrowing at entry 128, lots x funding at entry 128 (signed), as positions keep them.
struct Side {
    uint256 amounts;
    uint256 indices;
}

/// @notice One series: its sizes, its carry, its sides.
/// @dev Bits from the lowest. sizes in lots: long 64, short 64, and committed but still pending, buying 64, selling 64.
/// carry: funding 72 (signed) and borrowing 64, what a unit of a long's notional has owed to the shorts and one of reserve to
/// the pool since the beginning, 1e18 = 100 %; their rates per second 40 (signed) and 40; when they were fixed 32; live 8.
struct Series {
    uint256 sizes;
    uint256 carry;
    Side long;
    Side short;
}

/// @notice The two indices of carry at one moment, 1e18 = 100 %.
struct Carry {
    int256 funding;
    uint256 borrowing;
}

/// @title Aggregates of a series: what all its positions are worth together, without visiting one.
/// @dev Sums share words, so that a trade writes four. A lane never overflows: sizes are checked at the commit, margins and entry
/// values where a position opens, reserves are part of what a pool has committed, indices are bounded by these.
library Book {
    using PositionMath for *;

    /// @notice A side of this market has no room for more of this token or size.
    error SideFull();
    /// @notice The instrument's rates are beyond what a series can keep: 1,700 % a year.
    error RatesTooHigh(int256 fundingRate, uint256 borrowRate);

    uint256 private constant ONE = 1e18;
    /// @dev A position keeps the indices of its entry to ten decimals.
    int256 private constant KEPT = 1e8;
    /// @dev Half of what the lane of margins holds: the other half is left to what a partial liquidation turns from reserve into
    /// margin.
    uint256 private constant MARGINS = type(uint80).max / 2;

    // ---------------------------------------------------------------- sizes

    /// @notice Open sizes, 18 decimals.
    function open(uint256 sizes) internal pure returns (uint256 long, uint256 short) {
        unchecked {
            return (uint256(uint64(sizes)) * PositionMath.LOT, uint256(uint64(sizes >> 64)) * PositionMath.LOT);
        }
    }

    /// @notice What open positions hold of the pool, token units.
    function reserves(Series memory series) internal pure returns (uint256) {
        return uint256(uint88(series.long.amounts >> 80)) + uint88(series.short.amounts >> 80);
    }

    /// @notice Committed sizes that are still pending, 18 decimals.
    function pending(uint256 sizes) internal pure returns (uint256 buys, uint256 sells) {
        unchecked {
            return (uint256(uint64(sizes >> 128)) * PositionMath.LOT, (sizes >> 192) * PositionMath.LOT);
        }
    }

    /// @notice Is there room for an opening order? Half of what a lane holds is left to close orders, which never wait for room:
    /// they cannot be more than what is open on the other side.
    function requireRoom(Series storage series, int256 change) internal view {
        uint256 sizes = series.sizes >> (change > 0 ? 0 : 64);
        uint256 lots = change.abs() / PositionMath.LOT;
        if (uint64(sizes) + uint256(uint64(sizes >> 128)) + lots > type(uint64).max / 2) revert SideFull();
    }

    /// @notice Counts a committed change of size as pending.
    function pend(Series storage series, int256 change) internal {
        series.sizes += change.abs() / PositionMath.LOT << (change > 0 ? 128 : 192);
    }

    /// @notice It is pending no longer.
    function unpend(Series storage series, int256 change) internal {
        series.sizes -= change.abs() / PositionMath.LOT << (change > 0 ? 128 : 192);
    }

    // ---------------------------------------------------------------- carry

    /// @notice The indices at `time`, at the rates fixed by the last trade. Who asks, or how often, changes nothing.
    function carryAt(uint256 word, uint256 time) internal pure returns (Carry memory carry) {
        carry.funding = int72(uint72(word));
        carry.borrowing = uint64(word >> 72);
        uint256 last = uint32(word >> 216);
        if (time <= last) return carry;
        unchecked {
            carry.funding += int256(int40(uint40(word >> 136))) * int256(time - last);
            // saturating: a debt that cannot grow any more must not stop an exit
            carry.borrowing = Math.min(carry.borrowing + uint40(word >> 176) * (time - last), type(uint64).max);
        }
    }

    /// @notice Settles the past at the old rates and fixes new ones.
    function setRates(Series storage series, Carry memory carry, int256 fundingRate, uint256 rate) internal {
        if (fundingRate != int40(fundingRate) || rate > type(uint40).max) revert RatesTooHigh(fundingRate, rate);
        series.carry = uint256(uint72(int72(carry.funding))) | carry.borrowing << 72
            | uint256(uint40(int40(fundingRate))) << 136 | rate << 176 | block.timestamp << 216 | 1 << 248;
    }

    /// @notice The borrow rate now, per second, and when it was fixed.
    function borrowRate(uint256 word) internal pure returns (uint256 rate, uint256 time) {
        return (uint40(word >> 176), uint32(word >> 216));
    }

    /// @notice Is it listed among the series that a pool's worth visits?
    function live(Series storage series) internal view returns (bool) {
        return series.carry >> 248 != 0;
    }

    /// @notice Takes it off that list, if nothing is open or pending.
    function retire(Series storage series) internal returns (bool) {
        if (series.sizes != 0) return false;
        series.carry = uint248(series.carry);
        return true;
    }

    /// @notice The indices as a position keeps them, rounded so that it owes no less.
    function atEntry(Carry memory carry, bool isLong) internal pure returns (int256 funding, uint256 borrowing) {
        unchecked {
            funding = carry.funding / KEPT;
            int256 rest = carry.funding % KEPT;
            if (isLong && rest < 0) --funding;
            if (!isLong && rest > 0) ++funding;
            borrowing = carry.borrowing / uint256(KEPT);
        }
    }

    /// @notice The same debt under a larger reserve: new reserve x (now - rebased) >= old reserve x (now - at entry).
    function rebased(Carry memory carry, Position memory old, uint256 reserve) internal pure returns (uint256) {
        if (reserve == 0) return old.borrowing;
        uint256 owed = old.reserve.mulUp(carry.borrowing - old.borrowing * uint256(KEPT), reserve);
        return (carry.borrowing - owed) / uint256(KEPT);
    }

    /// @notice What an open position owes since its entry, token units, rounded up.
    function carryUp(Carry memory carry, Position memory p, uint256 index, uint256 unit)
        internal
        pure
        returns (int256)
    {
        unchecked {
            int256 owed = carry.funding - p.funding * KEPT;
            if (p.size < 0) owed = -owed;
            uint256 size = p.size.abs();
            uint256 notional = owed > 0 ? size.valueUp(index, unit) : size.valueDown(index, unit);
            return notional.carryUp(owed) + p.reserve.carryUp(int256(carry.borrowing - p.borrowing * uint256(KEPT)));
        }
    }

    // ---------------------------------------------------------------- sums

    /// @notice Puts `current` in the place of `old` (size 0: none): the same terms go out that came in, so that sums of
    /// nothing are zero.
    function replace(Series storage series, Position memory old, Position memory current, uint256 unit) internal {
        bool isLong = old.size > 0 || current.size > 0;
        Side storage side = isLong ? series.long : series.short;
        uint256 lane = isLong ? 0 : 64;
        (uint256 oldLots, uint256 oldAmounts, uint256 oldIndices) = _terms(old, unit);
        (uint256 lots, uint256 amounts, uint256 indices) = _terms(current, unit);
        unchecked {
            series.sizes = series.sizes - (oldLots << lane) + (lots << lane);
            side.indices = side.indices - oldIndices + indices;
            side.amounts = side.amounts - oldAmounts + amounts;
        }
    }

    /// @notice Has its side no room for the entry value of a position that would open now?
    /// @dev No room for its margin is another matter: others can bring that about and undo it within one transaction, so that
    /// it must decide nothing. The call reverts.
    function isFull(Series storage series, Position memory p, uint256 entry, uint256 unit)
        internal
        view
        returns (bool)
    {
        uint256 amounts = p.size > 0 ? series.long.amounts : series.short.amounts;
        if (uint80(amounts) + (p.margin >> 8) > MARGINS) revert SideFull();
        return (amounts >> 168) + p.size.abs().valueUp(entry, unit) > type(uint88).max;
    }

    /// @dev What one position adds to its side, lane by lane.
    function _terms(Position memory p, uint256 unit)
        private
        pure
        returns (uint256 lots, uint256 amounts, uint256 indices)
    {
        if (p.size == 0) return (0, 0, 0);
        uint256 size = p.size.abs();
        lots = size / PositionMath.LOT;
        unchecked {
            amounts = p.margin >> 8 | p.reserve << 80 | size.valueUp(p.entry, unit) << 168;
            indices = p.reserve * p.borrowing + (uint256(int256(lots) * p.funding) << 128);
        }
    }

    /// @notice The margin alone of an open position changes.
    function replaceMargin(Series storage series, int256 size, uint256 old, uint256 current) internal {
        Side storage side = size > 0 ? series.long : series.short;
        uint256 amounts = side.amounts;
        uint256 margin;
        unchecked {
            margin = uint80(amounts) + (current >> 8) - (old >> 8); // the sum contains the old one; both fit in 88 bits
        }
        if (current > old && margin > MARGINS) revert SideFull();
        side.amounts = amounts >> 80 << 80 | margin;
    }

    // ---------------------------------------------------------------- worth

    /// @notice Gain of all traders of the series net of carry; each side between losing its margins and winning its reserves.
    function gain(Series memory series, uint256 mark, uint256 index, uint256 time, uint256 unit)
        internal
        pure
        returns (int256 sum)
    {
        Carry memory carry = carryAt(series.carry, time);
        (uint256 long, uint256 short) = open(series.sizes);
        if (long != 0) sum = sideGain(series.long, int256(long), mark, index, carry, unit);
        if (short != 0) sum += sideGain(series.short, -int256(short), mark, index, carry, unit);
    }

    /// @param size of the side, negative for shorts
    function sideGain(Side memory side, int256 size, uint256 mark, uint256 index, Carry memory carry, uint256 unit)
        internal
        pure
        returns (int256 net)
    {
        unchecked {
            uint256 reserve = uint88(side.amounts >> 80);
            uint256 amount = size.abs();
            net = int256(amount.valueDown(mark, unit)) - int256(side.amounts >> 168);
            int256 lots = int256(amount / PositionMath.LOT);
            int256 owed =
                (lots * carry.funding - (int256(side.indices) >> 128) * KEPT) * int256(PositionMath.LOT) / int256(ONE);
            uint256 owing = owed.abs();
            owed = owed >= 0 ? int256(owing.valueDown(index, unit)) : -int256(owing.valueUp(index, unit));
            net = size > 0 ? net - owed : owed - net;
            net -= int256((reserve * carry.borrowing - uint128(side.indices) * uint256(KEPT)) / ONE);
            int256 margin = int256(uint256(uint80(side.amounts)) << 8);
            if (net > int256(reserve)) return int256(reserve);
            if (net < -margin) return -margin;
        }
    }
}
