// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BlackScholes} from "../libraries/BlackScholes.sol";
import {NormalDistribution} from "../libraries/NormalDistribution.sol";

// What a function of a library costs in the code of its caller: the gas of a call of the one contract, less that of the same
// call of the other, which does nothing. gasleft() before and after would not tell: the compiler moves arithmetic past it.

contract PairGas {
    function price(uint256 spot, uint256 strike, uint256 sigma, uint256 time)
        external
        pure
        returns (uint256 call, uint256 put)
    {
        return BlackScholes.price(spot, strike, sigma, time);
    }
}

contract NoPairGas {
    function price(uint256 spot, uint256 strike, uint256 sigma, uint256 time)
        external
        pure
        returns (uint256 call, uint256 put)
    {
        return (spot ^ strike, sigma ^ time);
    }
}

contract AllGas {
    function greeks(uint256 spot, uint256 strike, uint256 sigma, uint256 time)
        external
        pure
        returns (uint256 call, uint256 put, uint256 delta, uint256 gamma, uint256 vega, int256 theta)
    {
        return BlackScholes.greeks(spot, strike, sigma, time);
    }
}

contract NoAllGas {
    function greeks(uint256 spot, uint256 strike, uint256 sigma, uint256 time)
        external
        pure
        returns (uint256 call, uint256 put, uint256 delta, uint256 gamma, uint256 vega, int256 theta)
    {
        return (spot, strike, sigma, time, spot, int256(strike));
    }
}

contract NormalGas {
    function cumulative(int256 x) external pure returns (uint256 p) {
        return NormalDistribution.cumulative(x);
    }
}

contract NoNormalGas {
    function cumulative(int256 x) external pure returns (uint256 p) {
        return uint256(x);
    }
}
