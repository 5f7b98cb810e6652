// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Position} from "../contracts/interfaces/IMarket.sol";
import {Book, Carry, Series, Side} from "../contracts/libraries/Book.sol";
import {PositionMath} from "../contracts/libraries/PositionMath.sol";
import {vm} from "./Vm.sol";

/// @title Aggregates of a series: what went in goes out again, and no lane spills into another.
contract BookProof {
    using Book for Series;
    using Book for Carry;

    uint256 private constant ONE = 1e18;
    uint256 private constant KEPT = 1e8;
    uint256 private constant LOT = 1e10;

    Series private _series;

    // ---------------------------------------------------------------- sizes

    struct Sizes {
        uint64 long;
        uint64 short;
        uint64 buys;
        uint64 sells;
    }

    /// @notice The four sizes of a series are read as they lie in the word, in lots.
    /// @custom:bounds sizes of 64 bits of lots
    function check_sizes_are_read_lane_by_lane(Sizes calldata s) external pure {
        uint256 word = _word(s);
        (uint256 long, uint256 short) = Book.open(word);
        (uint256 buys, uint256 sells) = Book.pending(word);
        assert(long == s.long * LOT && short == s.short * LOT);
        assert(buys == s.buys * LOT && sells == s.sells * LOT);
    }

    /// @notice A committed size counts in its own lane and in no other, wherever there is room for it.
    /// @custom:bounds word of 256 bits, change of 63 bits of lots either way
    function check_pend_spills_into_no_lane(uint256 sizes, uint64 lots, bool buy) external {
        vm.assume(lots != 0 && lots < 2 ** 63);
        _series.sizes = sizes;
        uint256 lane = buy ? 128 : 192;
        unchecked {
            uint256 size = lots * LOT;
            vm.assume(size / LOT == lots); // the division that the library makes, exact
            try this.pend(buy ? int256(size) : -int256(size)) {
                uint256 others = ~(uint256(type(uint64).max) << lane);
                assert(_series.sizes & others == sizes & others);
                assert(uint64(_series.sizes >> lane) == uint256(uint64(sizes >> lane)) + lots);
            } catch {}
        }
    }

    /// @notice What was pending and is no longer leaves the sizes as they were.
    /// @custom:bounds word of 256 bits, change of 63 bits of lots either way, where there is room
    function check_unpend_undoes_pend(uint256 sizes, int64 lots) external {
        vm.assume(lots != 0 && lots != type(int64).min);
        int256 change = lots * int256(LOT);
        _series.sizes = sizes;
        try this.pend(change) {
            _series.unpend(change);
            assert(_series.sizes == sizes);
        } catch {}
    }

    /// @notice Only a series in which nothing is open or pending leaves the list; its indices stay.
    /// @custom:bounds words of 256 bits
    function check_retire_only_when_empty(uint256 sizes, uint256 carry) external {
        (_series.sizes, _series.carry) = (sizes, carry);
        bool retired = _series.retire();
        assert(retired == (sizes == 0) && uint248(_series.carry) == uint248(carry) && _series.sizes == sizes);
        assert(retired ? !_series.live() : _series.carry == carry);
    }

    // ---------------------------------------------------------------- sums

    struct Terms {
        uint88 margin;
        uint88 reserve;
        int64 lots;
        uint112 entry;
        int48 funding;
        uint40 borrowing;
    }

    /// @notice A position that is added and taken away leaves every sum of its series as it was.
    /// @custom:bounds any sums, a position with every field as wide as its lane, unit 1e18
    function check_replace_gives_back(Series calldata before, Terms calldata t) external {
        vm.assume(t.lots != 0 && t.lots != type(int64).min);
        _series = before;
        (Position memory none, Position memory p) = (_none(), _position(t));
        _series.replace(none, p, ONE);
        _series.replace(p, none, ONE);
        assert(_series.sizes == before.sizes && _series.carry == before.carry);
        assert(_series.long.amounts == before.long.amounts && _series.long.indices == before.long.indices);
        assert(_series.short.amounts == before.short.amounts && _series.short.indices == before.short.indices);
    }

    /// @notice A position never touches the sums of the other side, its pending sizes or its carry.
    /// @custom:bounds any sums within 63 bits of lots a side, a position with every field as wide as its lane, unit 1e18
    function check_replace_leaves_the_other_side(Series calldata before, Terms calldata t) external {
        vm.assume(t.lots > 0 && uint64(before.sizes) <= uint64(type(int64).max));
        _series = before;
        _series.replace(_none(), _position(t), ONE);
        assert(_series.short.amounts == before.short.amounts && _series.short.indices == before.short.indices);
        assert(_series.sizes >> 64 == before.sizes >> 64 && _series.carry == before.carry);
        assert(uint64(_series.sizes) == uint64(before.sizes) + uint64(t.lots));
    }

    /// @notice Margin, reserve and entry value of a position each arrive in their own lane, where the sums have room.
    /// @custom:bounds margins of a side 87 bits, reserves of a side 87, entry values 87; a position of one unit, unit 1e18
    function check_replace_spills_into_no_amount(
        uint80 margins,
        uint88 reserves,
        uint88 values,
        uint88 margin,
        uint88 reserve,
        uint88 value
    ) external {
        vm.assume(margins <= type(uint80).max / 2 && margin <= type(uint88).max / 2);
        vm.assume(reserves <= type(uint88).max / 2 && reserve <= type(uint88).max / 2);
        vm.assume(values <= type(uint88).max / 2 && value <= type(uint88).max / 2);
        _series.long.amounts = uint256(margins) | uint256(reserves) << 80 | uint256(values) << 168;
        Position memory p = _none();
        // One unit of underlying: its entry value is its entry.
        (p.margin, p.reserve, p.size, p.entry) = (margin, reserve, int256(ONE), value);
        _series.replace(_none(), p, ONE);
        uint256 amounts = _series.long.amounts;
        assert(uint80(amounts) == margins + (margin >> 8));
        assert(uint88(amounts >> 80) == uint256(reserves) + reserve);
        assert(amounts >> 168 == uint256(values) + value);
    }

    /// @notice A change of margin moves the sum of margins, and no other sum of its side or of the other.
    /// @custom:bounds any sums that hold the old margin, margins of 88 bits
    function check_replaceMargin_touches_margins_only(uint256 amounts, uint256 other, uint88 old, uint88 current)
        external
    {
        vm.assume(uint80(amounts) >= old >> 8);
        (_series.short.amounts, _series.long.amounts) = (amounts, other);
        try this.replaceMargin(old, current) {
            assert(_series.short.amounts >> 80 == amounts >> 80 && _series.long.amounts == other);
            assert(uint80(_series.short.amounts) == uint80(amounts) - (old >> 8) + (current >> 8));
        } catch {
            assert(current > old && uint80(amounts) - (old >> 8) + (current >> 8) > type(uint80).max / 2);
        }
    }

    // ---------------------------------------------------------------- carry

    /// @notice Indices and rates that were fixed are read back at the same time, to the last digit.
    /// @custom:bounds indices of 72 and 64 bits, rates of 40 bits, time of 32 bits
    function check_rates_come_back(int72 funding, uint64 borrowing, int40 fundingRate, uint40 rate, uint32 time)
        external
    {
        vm.warp(time);
        _series.setRates(Carry(funding, borrowing), fundingRate, rate);
        Carry memory carry = Book.carryAt(_series.carry, time);
        (uint256 kept, uint256 since) = Book.borrowRate(_series.carry);
        assert(carry.funding == funding && carry.borrowing == borrowing && kept == rate && since == time);
        assert(_series.live());
    }

    /// @notice Rates that the word cannot hold are refused.
    /// @custom:bounds rates of 256 bits
    function check_rates_beyond_their_lanes_are_refused(int256 fundingRate, uint256 rate) external {
        vm.assume(fundingRate != int40(fundingRate) || rate > type(uint40).max);
        try this.setRates(fundingRate, rate) {
            assert(false);
        } catch {}
    }

    struct Rates {
        int64 funding;
        uint64 borrowing;
        int40 fundingRate;
        uint40 rate;
        uint32 since;
    }

    function _fix(Rates calldata r) private returns (uint256) {
        vm.warp(r.since);
        _series.setRates(Carry(r.funding, r.borrowing), r.fundingRate, r.rate);
        return _series.carry;
    }

    /// @notice The index of borrowing never falls and stays within its lane; before the last trade nothing is added.
    /// @custom:bounds index of funding of 64 bits, all else as wide as its lane
    function check_borrowing_never_falls(Rates calldata r, uint32 time, uint32 later) external {
        vm.assume(time <= later);
        uint256 word = _fix(r);
        unchecked {
            // a longer time at one rate is no less, and both products are small
            uint256 rate = r.rate;
            vm.assume(time < r.since || rate * (time - r.since) <= rate * (later - r.since));
            vm.assume(later < r.since || rate * (later - r.since) < 2 ** 72);
        }
        Carry memory first = Book.carryAt(word, time);
        Carry memory second = Book.carryAt(word, later);
        assert(first.borrowing >= r.borrowing && first.borrowing <= second.borrowing);
        assert(second.borrowing <= type(uint64).max);
        if (later <= r.since) assert(second.funding == r.funding && second.borrowing == r.borrowing);
    }

    /// @notice A long keeps an index of funding rounded down, so that it never owes less.
    /// @custom:bounds index of funding of 71 bits, not below zero
    function check_atEntry_is_against_longs(uint72 funding) external pure {
        vm.assume(funding < 2 ** 71);
        (int256 kept,) = Carry(int256(uint256(funding)), 0).atEntry(true);
        unchecked {
            assert(kept >= 0 && uint256(kept) * KEPT <= funding && funding - uint256(kept) * KEPT < KEPT);
        }
    }

    /// @notice A short keeps its index of funding rounded up, so that it never owes less.
    /// @custom:bounds index of funding of 72 bits
    function check_atEntry_is_against_shorts(int72 funding) external pure {
        (int256 kept,) = Carry(funding, 0).atEntry(false);
        assert(kept * int256(KEPT) >= funding && kept * int256(KEPT) - funding < int256(KEPT));
    }

    /// @notice Either side keeps its index of borrowing rounded down.
    /// @custom:bounds index of borrowing of 64 bits
    function check_atEntry_keeps_borrowing_rounded_down(uint64 borrowing, bool isLong) external pure {
        (, uint256 kept) = Carry(0, borrowing).atEntry(isLong);
        assert(kept * KEPT <= borrowing && borrowing - kept * KEPT < KEPT);
    }

    /// @notice A larger reserve does not make a debt smaller: the index is set back by old / new of what it had run, or more.
    /// @custom:bounds reserves of 88 bits, index of 64 bits
    function check_rebased_forgives_nothing(uint64 borrowing, uint40 atEntry, uint88 old, uint88 reserve)
        external
        pure
    {
        vm.assume(reserve >= old && reserve != 0);
        unchecked {
            uint256 since = borrowing - atEntry * KEPT;
            vm.assume(atEntry * KEPT <= borrowing);
            // the least debt that the new reserve must carry, as proven of mulUp, is no more than the index
            uint256 owed = PositionMath.mulUp(old, since, reserve);
            vm.assume(owed * reserve >= old * since && owed <= since);
            Position memory p = _none();
            (p.reserve, p.borrowing) = (old, atEntry);
            uint256 rebased = Carry(0, borrowing).rebased(p, reserve);
            assert(rebased * KEPT <= borrowing && borrowing - rebased * KEPT >= owed);
        }
    }

    // ---------------------------------------------------------------- worth

    /// @notice A side never gains more than its reserves, and never loses more than its margins.
    /// @custom:bounds amounts of 256 bits, indices of zero, size of 2^64 lots, mark and index of 128 bits, unit 1e18
    function check_sideGain_is_clamped(uint256 amounts, int64 lots, uint128 mark, uint128 index) external pure {
        vm.assume(lots != type(int64).min);
        int256 net = Book.sideGain(Side(amounts, 0), lots * int256(LOT), mark, index, Carry(0, 0), ONE);
        assert(net <= int256(uint256(uint88(amounts >> 80))));
        assert(net >= -int256(uint256(uint80(amounts)) << 8));
    }

    // ---------------------------------------------------------------- shared

    function pend(int256 change) external {
        _series.requireRoom(change);
        _series.pend(change);
    }

    function setRates(int256 fundingRate, uint256 rate) external {
        _series.setRates(Carry(0, 0), fundingRate, rate);
    }

    function replaceMargin(uint256 old, uint256 current) external {
        _series.replaceMargin(-1, old, current);
    }

    function _word(Sizes calldata s) private pure returns (uint256) {
        return uint256(s.long) | uint256(s.short) << 64 | uint256(s.buys) << 128 | uint256(s.sells) << 192;
    }

    function _none() private pure returns (Position memory p) {}

    function _position(Terms calldata t) private pure returns (Position memory p) {
        (p.margin, p.reserve, p.size) = (t.margin, t.reserve, t.lots * int256(LOT));
        (p.entry, p.funding, p.borrowing) = (t.entry, t.funding, t.borrowing);
    }
}
