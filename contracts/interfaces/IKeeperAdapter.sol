// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title A market's upkeep in the two calls of a keeper network: what is there to do, and do it.
/// @notice Nobody owns it, and nothing in it can change. Fees that come in belong to the receiver named at its creation.
interface IKeeperAdapter {
    /// @notice Which positions to look at: those named, and those that the market made from the `first`-th on, `count` of them.
    /// @param first from 1 on; the range ends where the market has not come to yet
    struct Check {
        address[] positions;
        uint256 first;
        uint256 count;
    }

    /// @notice An order to carry out and the proof of its first price, empty where its time to live is over.
    struct Execution {
        address position;
        bytes proof;
    }

    /// @notice What to do.
    /// @param executions carried out before anything is liquidated: a close of the trader's own goes first
    struct Work {
        Execution[] executions;
        address[] liquidations;
    }

    /// @notice The factory has made no market from this configuration.
    error UnknownMarket(address market);
    /// @notice A market without a receiver of its fees.
    error NoReceiver();
    /// @notice Nothing of this could be done: somebody else has been there, or it was never there to do.
    error NothingDone();

    /// @notice One step was refused by the market, and why. The others go on.
    event StepRefused(address indexed position, bytes reason);
    /// @notice What was done, and what was handed on to the receiver, token units.
    event Performed(uint256 executed, uint256 liquidated, uint256 fees);

    /// @notice What there is to do among these positions: at most `BATCH` orders and `BATCH` liquidations.
    /// @dev An order is found once its first price is there, with a primary and validators of Chainlink; with others only where its
    /// time to live is over.
    /// @param checkData abi.encode(Check)
    /// @return needed whether there is anything
    /// @return performData what: abi.encode(Work)
    function checkUpkeep(bytes calldata checkData) external view returns (bool needed, bytes memory performData);

    /// @notice Does it. Anyone may call it with anything: the market decides over each step again, and all fees go to the receiver.
    /// @param performData abi.encode(Work). Reverts with NothingDone where nothing of it could be done.
    function performUpkeep(bytes calldata performData) external;

    /// @notice The vault of the market's `number`-th position, from 1 on, whether it is there already or not.
    function vaultOf(uint256 number) external view returns (address);
}
