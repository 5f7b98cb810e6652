// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title The interval of index in which something is healthy, searched by halving.
library HealthyRange {
    /// @dev An index fits in 112 bits, or no order could name it.
    uint256 internal constant HIGHEST = type(uint112).max;

    /// @notice Both ends are healthy, one unit beyond them is not; (1, 0) where no index is.
    /// @dev Health is monotone in the index: healthy from some index upwards (a long, a short put), or up to some index.
    /// @param subject what `healthy` decodes
    function find(bytes memory subject, function(bytes memory, uint256) internal view returns (bool) healthy)
        internal
        view
        returns (uint256 low, uint256 high)
    {
        bool up = healthy(subject, HIGHEST);
        // slither-disable-next-line incorrect-equality
        if (up == healthy(subject, 0)) return up ? (uint256(0), HIGHEST) : (uint256(1), uint256(0));
        (uint256 sick, uint256 well) = up ? (uint256(0), HIGHEST) : (HIGHEST, uint256(0));
        while ((well > sick ? well - sick : sick - well) > 1) {
            uint256 middle = Math.average(sick, well);
            if (healthy(subject, middle)) well = middle;
            else sick = middle;
        }
        return up ? (well, HIGHEST) : (0, well);
    }
}
