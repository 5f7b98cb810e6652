// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ILens} from "../interfaces/ILens.sol";
import {IMarket, Position, Status} from "../interfaces/IMarket.sol";

/// @title Ranges, listings and scans for readers, from the same functions that the market acts by.
contract Lens is ILens {
    /// @dev An index fits in 112 bits, or no order could name it.
    uint256 private constant HIGHEST = type(uint112).max;

    /// @inheritdoc ILens
    function healthyRange(IMarket market, address position) external view returns (uint256 low, uint256 high) {
        bool long = market.positionOf(position).size > 0;
        // A long is healthy from some index upwards, a short up to some index: search the edge by halving.
        (uint256 sick, uint256 well) = long ? (uint256(0), HIGHEST) : (HIGHEST, uint256(0));
        if (!_healthy(market, position, well)) return (1, 0);
        if (_healthy(market, position, sick)) return (0, HIGHEST);
        while ((well > sick ? well - sick : sick - well) > 1) {
            uint256 middle = Math.average(sick, well);
            if (_healthy(market, position, middle)) well = middle;
            else sick = middle;
        }
        return long ? (well, HIGHEST) : (0, well);
    }

    /// @inheritdoc ILens
    function healthOf(IMarket market, address[] calldata positions, uint256 index, uint256 time)
        external
        view
        returns (Health[] memory found)
    {
        found = new Health[](positions.length);
        uint256 count;
        for (uint256 i; i < positions.length; ++i) {
            if (market.positionOf(positions[i]).status != Status.Open) continue;
            (int256 equity, uint256 maintenance, uint256 target) = market.health(positions[i], index, time);
            found[count++] = Health(positions[i], equity, maintenance, target);
        }
        assembly ("memory-safe") {
            mstore(found, count) // shorter, never longer
        }
    }

    /// @inheritdoc ILens
    function unhealthy(IMarket market, address[] calldata positions, uint256 index, uint256 time)
        external
        view
        returns (uint256[] memory bitmap)
    {
        bitmap = new uint256[]((positions.length + 255) / 256);
        for (uint256 i; i < positions.length; ++i) {
            Position memory p = market.positionOf(positions[i]);
            if (p.status != Status.Open || time <= p.time) continue;
            // slither-disable-next-line unused-return
            (int256 equity, uint256 maintenance,) = market.health(positions[i], index, time);
            if (equity < int256(maintenance)) bitmap[i / 256] |= 1 << (i % 256);
        }
    }

    function _healthy(IMarket market, address position, uint256 index) private view returns (bool) {
        // slither-disable-next-line unused-return
        (int256 equity, uint256 maintenance,) = market.health(position, index, block.timestamp);
        return equity >= int256(maintenance);
    }
}
