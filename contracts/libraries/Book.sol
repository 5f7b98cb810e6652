// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {PositionMath} from "./PositionMath.sol";
import {Position} from "../interfaces/IMarket.sol";

/// @notice Sums over the open positions of one side of a series: all that is needed to value them together.
/// @param size sum of abs(size), @param entryValue sum of abs(size) x entry in token units
/// @param funding sum of abs(size) x funding at entry, @param borrowing sum of reserve x borrowing at entry
struct Side {
    uint128 size;
    uint128 entryValue;
    uint128 margin;
    uint128 reserve;
    int128 funding;
    uint128 borrowing;
}

/// @notice One series: its sides, its pending orders, its carry.
/// @param pendingBuys sizes of committed orders that buy, @param pendingSells that sell
/// @param longIndex what one unit of a long's notional has owed since the beginning, 1e18 = 100 %
/// @param longRate per second; @param updatedAt when the indices were last brought up to date, @param ratesAt when the rates were set
/// @param live listed in the market, where the pool's worth is summed
struct Series {
    Side long;
    Side short;
    uint128 pendingBuys;
    uint128 pendingSells;
    int96 longIndex;
    int96 shortIndex;
    uint64 borrowIndex;
    int56 longRate;
    int56 shortRate;
    uint64 borrowRate;
    uint32 updatedAt;
    uint32 ratesAt;
    bool live;
}

/// @notice What one unit of notional of a long, of a short, and one unit of reserve have owed since the beginning, 1e18 = 100 %.
struct Carry {
    int96 long;
    int96 short;
    uint64 borrow;
}

/// @title Aggregates of a series: what all its positions are worth together, without visiting one.
library Book {
    using PositionMath for *;

    /// @notice Brings the carry up to `time` at the rates fixed by the last trade. Who calls it, or how often, changes nothing.
    function accrue(Series storage series, uint256 time) internal returns (Carry memory carry) {
        carry = carryAt(series, time);
        if (time <= series.updatedAt) return carry;
        (series.longIndex, series.shortIndex, series.borrowIndex) = (carry.long, carry.short, carry.borrow);
        series.updatedAt = uint32(time);
    }

    /// @notice Stops the carry for good at `time`: the market has ended.
    function freeze(Series storage series, uint256 time) internal {
        accrue(series, time);
        (series.longRate, series.shortRate, series.borrowRate) = (0, 0, 0);
    }

    /// @notice The carry indices at `time`, without writing them.
    function carryAt(Series storage series, uint256 time) internal view returns (Carry memory carry) {
        carry = Carry(series.longIndex, series.shortIndex, series.borrowIndex);
        uint256 last = series.updatedAt;
        if (time <= last) return carry;
        int96 elapsed = int96(int256(time - last));
        carry.long += series.longRate * elapsed;
        carry.short += series.shortRate * elapsed;
        // saturating: a debt that cannot grow any more must not stop an exit
        carry.borrow = uint64(Math.min(carry.borrow + series.borrowRate * (time - last), type(uint64).max));
    }

    /// @notice Adds an open position to its side.
    function add(Series storage series, Position memory p, uint256 unit) internal {
        Side storage side = p.size > 0 ? series.long : series.short;
        uint256 size = PositionMath.abs(p.size);
        (int256 funding, uint256 borrowing) = atEntry(p);
        side.size += uint128(size);
        side.entryValue += uint128(size.valueUp(p.entry, unit));
        side.margin += p.margin;
        side.reserve += p.reserve;
        side.funding += int128(int256(size) * funding / 1e18);
        side.borrowing += uint128(p.reserve * borrowing / 1e18);
    }

    /// @notice Takes it out again: the same terms, so that sums of nothing are zero.
    function remove(Series storage series, Position memory p, uint256 unit) internal {
        Side storage side = p.size > 0 ? series.long : series.short;
        uint256 size = PositionMath.abs(p.size);
        (int256 funding, uint256 borrowing) = atEntry(p);
        side.size -= uint128(size);
        side.entryValue -= uint128(size.valueUp(p.entry, unit));
        side.margin -= p.margin;
        side.reserve -= p.reserve;
        side.funding -= int128(int256(size) * funding / 1e18);
        side.borrowing -= uint128(p.reserve * borrowing / 1e18);
    }

    /// @notice What an open position owes since its entry, token units, rounded up.
    function carryUp(Carry memory carry, Position memory p, uint256 index, uint256 unit)
        internal
        pure
        returns (int256)
    {
        (int256 funding, uint256 borrowing) = atEntry(p);
        int256 owed = (p.size > 0 ? carry.long : carry.short) - funding;
        uint256 size = PositionMath.abs(p.size);
        uint256 notional = owed > 0 ? size.valueUp(index, unit) : size.valueDown(index, unit);
        return notional.carryUp(owed) + uint256(p.reserve).carryUp(int256(carry.borrow - borrowing));
    }

    /// @notice Gain of all traders of the series net of carry; each side between losing its margins and winning its reserves.
    function gain(Series storage series, uint256 mark, uint256 index, uint256 time, uint256 unit)
        internal
        view
        returns (int256)
    {
        Carry memory carry = carryAt(series, time);
        return sideGain(series.long, true, mark, index, carry.long, carry.borrow, unit)
            + sideGain(series.short, false, mark, index, carry.short, carry.borrow, unit);
    }

    function sideGain(
        Side memory side,
        bool isLong,
        uint256 mark,
        uint256 index,
        int256 fundingIndex,
        uint256 borrowIndex,
        uint256 unit
    ) internal pure returns (int256) {
        if (side.size == 0) return 0;
        int256 moved = int256(uint256(side.size).valueDown(mark, unit)) - int256(uint256(side.entryValue));
        int256 owedSize = int256(uint256(side.size)) * fundingIndex / 1e18 - side.funding;
        int256 owed = owedSize >= 0
            ? int256(uint256(owedSize).valueDown(index, unit))
            : -int256(uint256(-owedSize).valueUp(index, unit));
        owed += int256(uint256(side.reserve) * borrowIndex / 1e18) - int256(uint256(side.borrowing));
        int256 net = (isLong ? moved : -moved) - owed;
        if (net > int256(uint256(side.reserve))) return int256(uint256(side.reserve));
        if (net < -int256(uint256(side.margin))) return -int256(uint256(side.margin));
        return net;
    }

    /// @notice Carry indices that an open position remembers.
    function atEntry(Position memory p) internal pure returns (int256 funding, uint256 borrowing) {
        return (int96(uint96(p.band)), uint64(p.band >> 96));
    }

    /// @notice The same debt under a larger reserve: new reserve x (now - rebased) >= old reserve x (now - at entry).
    function rebased(Carry memory carry, Position memory old, uint256 reserve) internal pure returns (uint256) {
        if (reserve == 0) return old.band;
        (, uint256 borrowing) = atEntry(old);
        uint256 owed = Math.mulDiv(old.reserve, carry.borrow - borrowing, reserve, Math.Rounding.Ceil);
        return uint256(uint96(old.band)) | (carry.borrow - owed) << 96;
    }

    /// @notice The word that remembers them.
    function packed(Carry memory carry, bool isLong) internal pure returns (uint256) {
        return uint256(uint96(isLong ? carry.long : carry.short)) | uint256(carry.borrow) << 96;
    }
}
