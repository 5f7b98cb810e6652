// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Bands} from "../libraries/Bands.sol";
import {Book, Carry, Series, Side} from "../libraries/Book.sol";
import {PositionMath, Split} from "../libraries/PositionMath.sol";
import {PositionStore, Words} from "../libraries/PositionStore.sol";
import {Order, Position} from "../interfaces/IMarket.sol";

/// @title The libraries' functions from outside, and one series to call them on.
contract MathHarness {
    Series private _series;
    Words private _words;

    // ---------------------------------------------------------------- PositionMath

    function valueDown(uint256 size, uint256 price, uint256 unit) external pure returns (uint256) {
        return PositionMath.valueDown(size, price, unit);
    }

    function valueUp(uint256 size, uint256 price, uint256 unit) external pure returns (uint256) {
        return PositionMath.valueUp(size, price, unit);
    }

    function feeUp(uint256 rate, uint256 size, uint256 price, uint256 unit) external pure returns (uint256) {
        return PositionMath.feeUp(rate, size, price, unit);
    }

    function gainDown(int256 size, uint256 entry, uint256 mark, uint256 unit) external pure returns (int256) {
        return PositionMath.gainDown(size, entry, mark, unit);
    }

    function carryUp(uint256 amount, int256 fraction) external pure returns (int256) {
        return PositionMath.carryUp(amount, fraction);
    }

    function largestLossDown(int256 size, uint256 mark, uint256 cap, uint256 unit) external pure returns (uint256) {
        return PositionMath.largestLossDown(size, mark, cap, unit);
    }

    function largestGainDown(int256 size, uint256 entry, uint256 cap, uint256 unit) external pure returns (uint256) {
        return PositionMath.largestGainDown(size, entry, cap, unit);
    }

    function fill(uint256 mark, uint256 premiumRate, uint256 index, bool buy) external pure returns (uint256) {
        return PositionMath.fill(mark, premiumRate, index, buy);
    }

    function split(uint256 margin, uint256 reserve, int256 equity, uint256 fees, uint256 phi, uint256 phiToPool)
        external
        pure
        returns (Split memory)
    {
        return PositionMath.split(margin, reserve, equity, fees, phi, phiToPool);
    }

    function liquidationFractionUp(int256 equity, uint256 target, uint256 fees, uint256 phi)
        external
        pure
        returns (uint256)
    {
        return PositionMath.liquidationFractionUp(equity, target, fees, phi);
    }

    function absolute(int256 value) external pure returns (uint256) {
        return PositionMath.abs(value);
    }

    // ---------------------------------------------------------------- Book

    function set(Series calldata series) external {
        _series = series;
    }

    function get() external view returns (Series memory) {
        return _series;
    }

    function setRates(Carry calldata carry, int256 fundingRate, uint256 borrowRate) external {
        Book.setRates(_series, carry, fundingRate, borrowRate);
    }

    function carryAt(uint256 time) external view returns (Carry memory) {
        return Book.carryAt(_series.carry, time);
    }

    function replace(Position calldata old, Position calldata current, uint256 unit) external {
        Book.replace(_series, old, current, unit);
    }

    function replaceMargin(int256 size, uint256 old, uint256 current) external {
        Book.replaceMargin(_series, size, old, current);
    }

    function requireRoom(int256 change) external view {
        Book.requireRoom(_series, change);
    }

    function isFull(Position calldata p, uint256 entry, uint256 unit) external view returns (bool) {
        return Book.isFull(_series, p, entry, unit);
    }

    function pend(int256 change) external {
        Book.pend(_series, change);
    }

    function unpend(int256 change) external {
        Book.unpend(_series, change);
    }

    function carryOf(Carry calldata carry, Position calldata p, uint256 index, uint256 unit)
        external
        pure
        returns (int256)
    {
        return Book.carryUp(carry, p, index, unit);
    }

    function gain(uint256 mark, uint256 index, uint256 time, uint256 unit) external view returns (int256) {
        return Book.gain(_series, mark, index, time, unit);
    }

    function sideGain(Side calldata side, int256 size, uint256 mark, uint256 index, Carry calldata carry, uint256 unit)
        external
        pure
        returns (int256)
    {
        return Book.sideGain(side, size, mark, index, carry, unit);
    }

    function atEntry(Carry calldata carry, bool isLong) external pure returns (int256 funding, uint256 borrowing) {
        return Book.atEntry(carry, isLong);
    }

    function rebased(Carry calldata carry, Position calldata old, uint256 reserve) external pure returns (uint256) {
        return Book.rebased(carry, old, reserve);
    }

    // ---------------------------------------------------------------- Bands, PositionStore

    function floor(uint256 price) external pure returns (uint40) {
        return Bands.floor(price);
    }

    function ceil(uint256 price) external pure returns (uint40) {
        return Bands.ceil(price);
    }

    function expand(uint40 compact) external pure returns (uint256) {
        return Bands.value(compact);
    }

    function store(Position calldata p, Order calldata order) external returns (Position memory, Order memory) {
        PositionStore.saveState(_words, p);
        PositionStore.saveTerms(_words, p);
        PositionStore.saveOrder(_words, order);
        return PositionStore.load(_words);
    }
}
