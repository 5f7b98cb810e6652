// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Order, OrderKind, Position, Status} from "../contracts/interfaces/IMarket.sol";
import {PositionMath} from "../contracts/libraries/PositionMath.sol";
import {PositionStore, Words} from "../contracts/libraries/PositionStore.sol";
import {vm} from "./Vm.sol";

/// @title How a position lies in storage: what is put in comes out, and no lane spills into another.
contract PositionStoreProof {
    using PositionStore for Words;

    Words private _words;

    struct State {
        uint88 margin;
        int64 lots;
        uint24 series;
        uint32 time;
        uint40 borrowing;
    }

    struct Terms {
        uint112 entry;
        uint88 reserve;
        int48 funding;
    }

    struct Request {
        uint32 requestedAt;
        uint16 phase;
        uint32 premium;
        uint88 amount;
        uint112 low;
        uint112 high;
    }

    /// @notice The first word gives back margin, size, series, time and index of borrowing of an open position.
    /// @custom:bounds every field as wide as its lane
    function check_state_comes_back(State calldata s) external {
        _words.saveState(_position(s));
        Position memory p;
        _words.loadState(p);
        assert(p.margin == s.margin && p.size == int256(s.lots) * int256(PositionMath.LOT));
        assert(p.series == s.series && p.time == s.time && p.borrowing == s.borrowing && p.status == Status.Open);
    }

    /// @notice The second word gives back entry, reserve and index of funding.
    /// @custom:bounds every field as wide as its lane
    function check_terms_come_back(Terms calldata t) external {
        Position memory p;
        (p.entry, p.reserve, p.funding) = (t.entry, t.reserve, t.funding);
        _words.saveTerms(p);
        Position memory loaded;
        _words.loadTerms(loaded);
        assert(loaded.entry == t.entry && loaded.reserve == t.reserve && loaded.funding == t.funding);
    }

    /// @notice A position with a margin beyond its lane is refused.
    /// @custom:bounds margin of 256 bits
    function check_margin_beyond_its_lane_is_refused(uint256 margin) external {
        vm.assume(margin > type(uint88).max);
        try this.saveMargin(margin) {
            assert(false);
        } catch {}
    }

    /// @notice A position with an entry beyond its lane is refused.
    /// @custom:bounds entry of 256 bits
    function check_entry_beyond_its_lane_is_refused(uint256 entry) external {
        vm.assume(entry > type(uint112).max);
        try this.saveEntry(entry) {
            assert(false);
        } catch {}
    }

    /// @notice An order comes back as it was put in, its premium included.
    /// @custom:bounds every field as wide as its lane, any kind but none; no band
    function check_order_comes_back(Request calldata r, bool close) external {
        Order memory order = _request(r, close ? OrderKind.Close : OrderKind.RaiseReserve);
        (order.low, order.high) = (0, 0);
        _words.saveOrder(order);
        Order memory kept = _words.loadOrder();
        assert(kept.kind == order.kind && kept.requestedAt == r.requestedAt && kept.phase == r.phase);
        assert(kept.premium == order.premium && kept.amount == r.amount && kept.low == 0 && kept.high == 0);
    }

    /// @notice The band of an order is kept, and only ever widened.
    /// @custom:bounds low and high of 112 bits, the rest of the order fixed
    function check_band_is_widened_only(uint112 low, uint112 high) external {
        Order memory order = Order(OrderKind.Close, 1, 2, 3e9, 4, low, high);
        (uint256 keptLow, uint256 keptHigh) = _words.saveOrder(order);
        assert(keptLow <= low && keptHigh >= high);
        Order memory kept = _words.loadOrder();
        assert(kept.low == keptLow && kept.high == keptHigh && kept.amount == 4 && kept.premium == 3e9);
    }

    /// @notice An order of an open position leaves its state and its terms alone; one that opens leaves the third word alone.
    /// @custom:bounds words of 256 bits, order fields as wide as their lanes; no band
    function check_orders_touch_their_own_word(Words calldata before, Request calldata r, bool opening) external {
        _words = before;
        Order memory order = _request(r, opening ? OrderKind.Open : OrderKind.Close);
        (order.low, order.high) = (0, 0);
        _words.saveOrder(order);
        assert(_words.state == before.state);
        assert(opening ? _words.order == before.order : _words.terms == before.terms);
    }

    /// @notice Added margin changes the margin by the amount, and nothing else of the word.
    /// @custom:bounds word and amount of 256 bits
    function check_addMargin_touches_margin_only(uint256 state, uint256 amount) external {
        vm.assume(amount <= type(uint256).max - type(uint88).max);
        _words.state = state;
        try this.addMargin(state, amount) returns (uint256 old, uint256 margin) {
            assert(old == uint88(state) && margin == old + amount && uint88(_words.state) == margin);
            assert(_words.state >> 88 == state >> 88);
        } catch {
            assert(uint256(uint88(state)) + amount > type(uint88).max && _words.state == state);
        }
    }

    /// @notice The short reading of a first word agrees with the long one.
    /// @custom:bounds every field as wide as its lane
    function check_sideOf_agrees_with_loadState(State calldata s) external {
        _words.saveState(_position(s));
        (int256 lots, uint24 series, bool open) = PositionStore.sideOf(_words.state);
        Position memory p;
        _words.loadState(p);
        assert(lots * int256(PositionMath.LOT) == p.size && series == p.series && open);
    }

    function saveMargin(uint256 margin) external {
        Position memory p;
        p.margin = margin;
        _words.saveState(p);
    }

    function saveEntry(uint256 entry) external {
        Position memory p;
        p.entry = entry;
        _words.saveTerms(p);
    }

    function addMargin(uint256 state, uint256 amount) external returns (uint256, uint256) {
        return _words.addMargin(state, amount);
    }

    function _position(State calldata s) private pure returns (Position memory p) {
        (p.margin, p.size, p.status) = (s.margin, int256(s.lots) * int256(PositionMath.LOT), Status.Open);
        (p.series, p.time, p.borrowing) = (s.series, s.time, s.borrowing);
    }

    function _request(Request calldata r, OrderKind kind) private pure returns (Order memory) {
        return Order(kind, r.requestedAt, r.phase, r.premium * PositionStore.PREMIUM, r.amount, r.low, r.high);
    }
}
