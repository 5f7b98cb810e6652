// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What a market shows to its instrument and its margin model. They never call back.
/// @param series which contract of the family
/// @param index price of the underlying, 18 decimals
/// @param time of the index, unix seconds
/// @param long open size of the longs of the series, 18 decimals; pending longs included where a long is priced
/// @param short the same of the shorts
/// @param reserved token units of the pool in vaults and earmarks
/// @param idle token units of the pool that are free
struct Snapshot {
    uint24 series;
    uint256 index;
    uint256 time;
    uint256 long;
    uint256 short;
    uint256 reserved;
    uint256 idle;
}

/// @title A family of contracts: what one unit is worth, what a trade costs, what holding it costs.
interface IInstrument {
    /// @notice May orders of this series be committed at `time`?
    function isOpen(uint24 series, uint256 time) external view returns (bool);

    /// @notice Value of one unit for risk, 18 decimals, within [0, cap]. Depends on series, index and time only.
    function mark(uint24 series, uint256 index, uint256 time) external view returns (uint256);

    /// @notice Largest value the mark can take; type(uint256).max where there is none.
    function cap(uint24 series) external view returns (uint256);

    /// @notice What the pool asks above (buying) or below (selling) the mark, as a fraction of abs(size) x index, 1e18 = 100 %.
    /// @dev At a commit index is 0. A pool asks it of the open sizes, at the index of an entry or an exit and as if nothing of
    /// it were bound, where there is no carry: a refusal then stops entries and exits.
    /// @param size signed change of the open size, 18 decimals
    function premium(Snapshot calldata state, int256 size) external view returns (uint256 rate);

    /// @notice What holding costs per second: of notional, owed by longs to shorts (negative: by shorts to longs), and of reserve,
    /// owed to the pool. Below 1,700 % a year. What the light side does not receive stays with the pool.
    /// @param borrowRate_ of the last trade, @param elapsed seconds since then
    function carry(Snapshot calldata state, uint256 borrowRate_, uint256 elapsed)
        external
        view
        returns (int256 fundingRate, uint256 borrowRate);

    /// @notice Does holding a position of this family cost or earn carry?
    function hasCarry() external view returns (bool);

    /// @notice Is this the plainest of families: one series, number 0, without a cap, whose mark is the index and whose premium
    /// depends on the open sizes alone? Market and pool then spare their users the questions whose answers are known.
    function isLinear() external view returns (bool);

    /// @notice The final mark of an expired series and the index behind it, once known; a series without expiry never has one.
    function finalMark(uint24 series) external view returns (bool known, uint256 mark, uint256 index);
}
