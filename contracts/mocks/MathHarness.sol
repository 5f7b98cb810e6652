// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Book, Carry, Series, Side} from "../libraries/Book.sol";
import {PositionMath, Split} from "../libraries/PositionMath.sol";
import {Position} from "../interfaces/IMarket.sol";

/// @title The libraries' functions from outside, and one series to call them on.
contract MathHarness {
    Series private _series;

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

    function accrue(uint256 time) external returns (Carry memory) {
        return Book.accrue(_series, time);
    }

    function freeze(uint256 time) external {
        Book.freeze(_series, time);
    }

    function carryAt(uint256 time) external view returns (Carry memory) {
        return Book.carryAt(_series, time);
    }

    function add(Position calldata p, uint256 unit) external {
        Book.add(_series, p, unit);
    }

    function remove(Position calldata p, uint256 unit) external {
        Book.remove(_series, p, unit);
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

    function sideGain(
        Side calldata side,
        bool isLong,
        uint256 mark,
        uint256 index,
        int256 fundingIndex,
        uint256 borrowIndex,
        uint256 unit
    ) external pure returns (int256) {
        return Book.sideGain(side, isLong, mark, index, fundingIndex, borrowIndex, unit);
    }

    function atEntry(Position calldata p) external pure returns (int256 funding, uint256 borrowing) {
        return Book.atEntry(p);
    }

    function rebased(Carry calldata carry, Position calldata old, uint256 reserve) external pure returns (uint256) {
        return Book.rebased(carry, old, reserve);
    }

    function packed(Carry calldata carry, bool isLong) external pure returns (uint256) {
        return Book.packed(carry, isLong);
    }
}
