// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title A feed's proxy on a local copy of a chain, with rounds to come. Never deployed: its code is put where the proxy's was.
/// @dev Everything that is not staged the proxy's own code answers, from a copy elsewhere, over the storage that it finds here.
contract StagedFeed {
    /// @dev Where no proxy keeps anything: keccak256("bulkhead.staged.feed") with its last byte cleared. Number of staged rounds (64
    /// bits), number of the last real one (64), phase (16); then the address of the proxy's own code; then a word a round: answer
    /// (192), time (64).
    uint256 internal constant SLOT = 0x3c1b061f3356516dd25dd137e2dec4ff59b7a124e96072d023272238f64bb800;

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        (uint256 staged, uint256 real, uint256 phase) = _stage();
        return _round(phase << 64 | real + staged, staged);
    }

    function getRoundData(uint80 id) external returns (uint80, int256, uint256, uint256, uint80) {
        (uint256 staged, uint256 real, uint256 phase) = _stage();
        if (id >> 64 != phase || uint64(id) <= real) _own();
        require(uint64(id) <= real + staged, "No data present");
        return _round(id, uint64(id) - real);
    }

    fallback() external {
        _own();
    }

    function _stage() private view returns (uint256 staged, uint256 real, uint256 phase) {
        uint256 word = _word(0);
        return (uint64(word), uint64(word >> 64), uint16(word >> 128));
    }

    function _round(uint256 id, uint256 number) private view returns (uint80, int256, uint256, uint256, uint80) {
        uint256 word = _word(1 + number);
        return (uint80(id), int192(uint192(word)), word >> 192, word >> 192, uint80(id));
    }

    function _word(uint256 place) private view returns (uint256 word) {
        assembly {
            word := sload(add(SLOT, place))
        }
    }

    function _own() private {
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), sload(add(SLOT, 1)), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if ok { return(0, returndatasize()) }
            revert(0, returndatasize())
        }
    }
}
