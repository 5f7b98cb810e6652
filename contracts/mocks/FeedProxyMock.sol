// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title A Chainlink proxy with phases and the aggregators behind it. Test double.
/// @dev The aggregator is a contract of its own, so that gas is near the real one's: a proxy hop, three words per round.
contract FeedProxyMock {
    enum Fault {
        None,
        Reverts,
        BurnsGas,
        ReturnsNothing,
        ReturnsTooMuch
    }

    struct Phase {
        uint16 id;
        AggregatorMock aggregator;
    }

    uint8 internal immutable decimals_;
    Phase internal current;
    Fault public fault;
    mapping(uint16 phase => AggregatorMock) public phaseAggregators;

    constructor(uint8 places) {
        decimals_ = places;
        newPhase();
    }

    function newPhase() public {
        uint16 id = current.id + 1;
        current = Phase(id, phaseAggregators[id] = new AggregatorMock());
    }

    /// @notice A round of the current phase.
    function push(int256 answer, uint256 startedAt, uint256 updatedAt) external {
        current.aggregator.push(answer, startedAt, updatedAt);
    }

    /// @notice A round of an older phase: a retired aggregator goes on.
    function pushTo(uint16 phase, int256 answer, uint256 startedAt, uint256 updatedAt) external {
        phaseAggregators[phase].push(answer, startedAt, updatedAt);
    }

    function fail(Fault fault_) external {
        fault = fault_;
    }

    function decimals() external view returns (uint8) {
        _misbehave();
        return decimals_;
    }

    function phaseId() external view returns (uint16) {
        _misbehave();
        return current.id;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        _misbehave();
        Phase memory phase = current;
        (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt,) = phase.aggregator.latestRoundData();
        id |= uint80(phase.id) << 64;
        return (id, answer, startedAt, updatedAt, id);
    }

    function getRoundData(uint80 id) external view returns (uint80, int256, uint256, uint256, uint80) {
        _misbehave();
        (, int256 answer, uint256 startedAt, uint256 updatedAt,) =
            phaseAggregators[uint16(id >> 64)].getRoundData(uint80(uint64(id)));
        return (id, answer, startedAt, updatedAt, id);
    }

    function _misbehave() internal view {
        Fault f = fault;
        if (f == Fault.None) return;
        if (f == Fault.Reverts) revert("feed");
        assembly {
            if eq(f, 2) { invalid() }
            if eq(f, 3) { return(0, 0) }
            return(0, 20000)
        }
    }
}

/// @title Rounds of one phase. Test double.
contract AggregatorMock {
    struct Round {
        int192 answer;
        uint32 startedAt;
        uint32 updatedAt;
    }

    uint80 internal latest;
    mapping(uint256 id => Round) internal rounds;

    function push(int256 answer, uint256 startedAt, uint256 updatedAt) external {
        rounds[++latest] = Round(int192(answer), uint32(startedAt), uint32(updatedAt));
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(latest);
    }

    function getRoundData(uint80 id) public view returns (uint80, int256, uint256, uint256, uint80) {
        Round memory r = rounds[id];
        require(r.updatedAt != 0, "No data present");
        return (id, r.answer, r.startedAt, r.updatedAt, id);
    }
}
