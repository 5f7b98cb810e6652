// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Bands} from "../contracts/libraries/Bands.sol";
import {vm} from "./Vm.sol";

/// @title Prices in 40 bits: widened outwards, and by one part in four billion at most.
/// @dev A price is its highest bit and what is below it; each highest bit becomes a path of its own.
contract BandsProof {
    using Bands for uint256;
    using Bands for uint40;

    uint256 private constant SMALL = 33;
    uint256 private constant BITS = 112;

    /// @notice A floor is never above its price, and less than one part in 2^32 below it.
    /// @custom:bounds price of 34 to 112 bits: those below are exact
    function check_floor_is_just_below(uint8 top, uint128 rest) external pure {
        uint256 price = _price(top, rest);
        uint256 kept = Bands.floor(price).value();
        assert(kept <= price && price - kept <= kept >> 32);
    }

    /// @notice A ceiling is never below its price, and at most one part in 2^32 above it.
    /// @custom:bounds price of 34 to 112 bits: those below are exact
    function check_ceil_is_just_above(uint8 top, uint128 rest) external pure {
        uint256 price = _price(top, rest);
        uint256 kept = Bands.ceil(price).value();
        assert(kept >= price && kept - price <= price >> 32);
    }

    /// @notice The next price never has a lower floor: bands keep the order of prices.
    /// @custom:bounds price of 34 to 112 bits, the next one with the same highest bit: a power of two is its own floor
    function check_floor_keeps_order(uint8 top, uint128 rest) external pure {
        uint256 price = _price(top, rest);
        vm.assume(price + 1 < 2 << top);
        assert(Bands.floor(price).value() <= Bands.floor(price + 1).value());
    }

    /// @notice A price that was kept once is kept to the letter: floor and ceiling leave it as it is.
    /// @custom:bounds mantissa of 33 bits, price of 34 to 112 bits
    function check_kept_prices_are_exact(uint8 top, uint128 rest) external pure {
        uint256 price = _price(top, rest) >> (top - 32) << (top - 32);
        assert(Bands.floor(price).value() == price && Bands.ceil(price).value() == price);
    }

    /// @notice Prices below 2^33 lose nothing.
    /// @custom:bounds price of 33 bits
    function check_small_prices_are_exact(uint40 price) external pure {
        vm.assume(price < 2 ** 33);
        assert(Bands.floor(price).value() == price && Bands.ceil(price).value() == price);
    }

    function _price(uint256 top, uint256 rest) private pure returns (uint256 price) {
        vm.assume(top >= SMALL && top < BITS);
        for (uint256 i = SMALL; i < BITS; ++i) {
            if (top == i) return uint256(1) << i | rest & ((uint256(1) << i) - 1);
        }
    }
}
