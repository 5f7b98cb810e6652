// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {VolatilitySettings, VolatilityState} from "../contracts/interfaces/IVolatilityFeed.sol";
import {VolatilityFeed} from "../contracts/margin/VolatilityFeed.sol";
import {StillOracle} from "./Stage.sol";
import {vm} from "./Vm.sol";

/// @title The volatility feed with the shipped terms: what it remembers, and when it may move.
contract VolatilityFeedProof {
    uint256 private constant INTERVAL = 1 hours;
    uint256 private constant LIFE = 6 hours;
    uint256 private constant FLOOR = 0.05e18;

    VolatilityFeed private _feed;

    function setUp() external {
        vm.warp(1_700_000_000);
        _feed = new VolatilityFeed(
            VolatilitySettings(
                address(new StillOracle()), INTERVAL, LIFE, 12 hours, 120 hours, 0.25e18, 0.2e18, FLOOR, 0.5e18
            )
        );
    }

    /// @notice The word gives back everything that is remembered.
    /// @custom:bounds every field as wide as its lane
    function check_remembered_comes_back(
        uint256 fast,
        uint256 slow,
        uint256 price,
        uint256 gap,
        uint256 next,
        uint16 phase,
        uint24 ramped,
        uint256 offset
    ) external {
        vm.assume(fast < 2 ** 54 && slow < 2 ** 54 && price < 2 ** 50 && gap < 2 ** 14);
        vm.assume(next < 2 ** 26 && offset < 2 ** 18);
        _remember(
            fast | slow << 54 | price << 108 | gap << 158 | next << 172 | uint256(phase) << 198 | uint256(ramped) << 214
                | offset << 238
        );
        VolatilityState memory s = _feed.state();
        assert(s.fast == fast && s.slow == slow && s.price == price && s.gap == gap);
        assert(s.next == next && s.phase == phase && s.ramped == ramped && s.offset == offset);
    }

    /// @notice A grid point that may still be proven is not skipped.
    /// @custom:bounds any word, time of 40 bits up to the end of the point's life
    function check_no_skip_in_life(uint256 word, uint40 time) external {
        uint256 next = word >> 172 & 2 ** 26 - 1;
        vm.assume(time <= next * INTERVAL + LIFE);
        _remember(word);
        vm.warp(time);
        try _feed.skip() {
            assert(false);
        } catch {}
    }

    /// @notice A grid point whose life is over is not updated any more.
    /// @custom:bounds any word, time of 40 bits from the end of the point's life on
    function check_no_update_after_life(uint256 word, uint40 time) external {
        uint256 next = word >> 172 & 2 ** 26 - 1;
        vm.assume(time > next * INTERVAL + LIFE);
        _remember(word);
        vm.warp(time);
        try _feed.update("") {
            assert(false);
        } catch {}
    }

    function _remember(uint256 word) private {
        vm.store(address(_feed), bytes32(0), bytes32(word));
    }
}
