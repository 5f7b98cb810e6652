// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IMarket, Order, OrderKind, Position, Status} from "../interfaces/IMarket.sol";
import {Bands} from "./Bands.sol";
import {PositionMath} from "./PositionMath.sol";

/// @notice A position and its order in three words. While the position is pending its terms are not known, and the second word
/// holds the order that opens it; the third is for the orders of its life.
/// @dev Bits from the lowest. state: margin 88, size in lots 64, series 24, status 8, time 32, borrowing 40.
/// terms: entry 112, reserve 88, funding 48. order: amount 88, requested at 32, phase 16, premium 32, kind 8, low 40, high 40.
struct Words {
    uint256 state;
    uint256 terms;
    uint256 order;
}

/// @title How a position lies in storage.
library PositionStore {
    using Bands for uint256;
    using Bands for uint40;

    /// @dev A premium is kept to nine decimals.
    uint256 internal constant PREMIUM = 1e9;

    /// @notice The position with its order; kind None where there is none.
    function load(Words storage words) internal view returns (Position memory p, Order memory order) {
        loadState(words, p);
        if (p.status == Status.Pending) {
            _unpack(words.terms, order);
            (p.reserve, p.time) = (order.amount, order.requestedAt);
        } else {
            loadTerms(words, p);
            _unpack(words.order, order);
        }
    }

    /// @notice What the first word holds, which is all that margin and an order need.
    /// @dev Here and below into what the caller has made: to make another at each return would cost users 240 gas apiece.
    function loadState(Words storage words, Position memory p) internal view {
        uint256 state = words.state;
        unchecked {
            p.size = int256(int64(uint64(state >> 88))) * int256(PositionMath.LOT);
        }
        p.margin = uint88(state);
        p.series = uint24(state >> 152);
        p.status = Status(uint8(state >> 176));
        p.time = uint32(state >> 184);
        p.borrowing = state >> 216;
    }

    /// @notice Adds what an opening fixed.
    function loadTerms(Words storage words, Position memory p) internal view {
        uint256 terms = words.terms;
        p.entry = uint112(terms);
        p.reserve = uint88(terms >> 112);
        p.funding = int256(terms) >> 200;
    }

    /// @notice The order of an open position.
    function loadOrder(Words storage words) internal view returns (Order memory order) {
        _unpack(words.order, order);
    }

    /// @dev An order that is none is one of zeros already.
    function _unpack(uint256 word, Order memory order) private pure {
        if (word == 0) return;
        order.kind = OrderKind(uint8(word >> 168));
        order.requestedAt = uint32(word >> 88);
        order.phase = uint16(word >> 120);
        order.premium = uint32(word >> 136) * PREMIUM;
        order.amount = uint88(word);
        (order.low, order.high) = _band(word);
    }

    function _band(uint256 word) private pure returns (uint256 low, uint256 high) {
        return (uint40(word >> 176).value(), uint40(word >> 216).value());
    }

    /// @notice More margin in a first word, without a look at the rest of it: the margin before and after.
    function addMargin(Words storage words, uint256 state, uint256 amount)
        internal
        returns (uint256 old, uint256 margin)
    {
        old = uint88(state);
        margin = old + amount;
        if (margin > type(uint88).max) revert IMarket.AmountTooLarge(margin);
        words.state = state - old + margin;
    }

    /// @notice Of a first word: size, series, and whether the position is open.
    function sideOf(uint256 state) internal pure returns (int256 size, uint24 series, bool open) {
        return (int64(uint64(state >> 88)), uint24(state >> 152), uint8(state >> 176) == uint8(Status.Open));
    }

    function saveState(Words storage words, Position memory p) internal {
        if (p.margin > type(uint88).max) revert IMarket.AmountTooLarge(p.margin);
        words.state = p.margin | uint256(uint64(int64(p.size / int256(PositionMath.LOT)))) << 88 | uint256(p.series)
            << 152 | uint256(p.status) << 176 | p.time << 184 | p.borrowing << 216;
    }

    function saveTerms(Words storage words, Position memory p) internal {
        if (p.entry > type(uint112).max) revert IMarket.AmountTooLarge(p.entry);
        words.terms = p.entry | p.reserve << 112 | uint256(p.funding) << 200;
    }

    /// @notice Keeps the order; its band comes back widened to what the word can hold.
    function saveOrder(Words storage words, Order memory order) internal returns (uint256 low, uint256 high) {
        uint256 word = order.amount | order.requestedAt << 88 | uint256(order.phase) << 120 | order.premium / PREMIUM
            << 136 | uint256(order.kind) << 168 | uint256(order.low.floor()) << 176 | uint256(order.high.ceil()) << 216;
        if (order.kind == OrderKind.Open) words.terms = word;
        else words.order = word;
        return _band(word);
    }

    /// @notice Frees the words of a position that is over.
    function wipe(Words storage words) internal {
        (words.state, words.terms, words.order) = (0, 0, 0);
    }
}
