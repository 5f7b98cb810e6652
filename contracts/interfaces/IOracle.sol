// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title What a market asks of its oracle.
/// @notice One primary source can prove which of its prices was the first after a moment; validators only check it. A second leg may
/// turn the primary's price into another unit.
/// All prices have 18 decimals: collateral per unit of underlying. All times are unix seconds.
interface IOracle {
    /// @notice No price, or one older than the age limit.
    error PriceStale(uint256 time, uint256 maxAge);
    /// @notice An answer at or below zero, or at the bound of its feed.
    error PriceInvalid(int256 answer);
    /// @notice Fewer validators than the quorum agree with the primary.
    error PriceDisputed(uint256 index, uint256 agreeing, uint256 quorum);
    /// @notice The L2 sequencer is down, or came back less than a grace ago.
    error InGrace(uint256 until);
    /// @notice The round is not the first of its phase observed after `afterTime`.
    error ProofInvalid(uint256 round, uint256 afterTime);
    /// @notice The primary has no price observed after `afterTime` yet.
    error PriceNotThereYet(uint256 afterTime);
    /// @notice A single source moved more than its jump limit from its round before (0: there is none, or it was invalid).
    error PriceJumped(uint256 index, uint256 previous);
    /// @notice The oracle has ended: there is a final price and no other.
    error OracleEnded();
    /// @notice Too few sources agree, but enough have not been shown that could: show them.
    error QuorumNotShown(uint256 agreeing, uint256 notShown, uint256 quorum);
    /// @notice The feed that the price is composed with is silent, or its answer out of bounds.
    error LegInvalid(uint256 time, int256 answer);
    /// @notice A source has another number of decimals than was declared.
    error DecimalsDiffer(address source, uint256 declared, uint256 found);
    /// @notice A source has no price at all: no round, or no such price id.
    error SourceSilent(address source);
    /// @notice A source that cannot prove a first price after a time: a pool, or an aggregator without the phases of its proxy.
    error CannotBePrimary(uint256 kind);
    /// @notice Only a price of Pyth is proven by updates.
    error NotPulled(uint256 source);
    /// @notice The native value sent is not the fee.
    error FeeDiffers(uint256 sent, uint256 fee);
    /// @notice A source could not be given the gas that it may need: it would be taken for silent.
    error GasTooLow(uint256 left, uint256 needed);
    /// @notice A setting of the constructor is out of its range.
    error SettingInvalid(bytes32 setting, uint256 value);

    /// @notice Somebody saw that no valid price exists.
    event OutageStarted(uint256 time);
    /// @notice A valid price came back before the limit.
    event OutageCleared(uint256 time);
    /// @notice The market's oracle is finished; `index` settles every position on it.
    event Ended(uint256 index, uint256 time);

    /// @notice What the primary needs to know later of the moment of a commit (Chainlink: its phase; Pyth: nothing, 1).
    /// Reverts in grace and after the end.
    function commitment() external view returns (uint16 phase);

    /// @notice The primary's first price observed strictly after `afterTime`, proven to be the first.
    /// @dev Reverts where the proof is wrong or missing, and after the end; of a validator it then shows nothing.
    /// `undisputed` is false where the quorum of validators, as of `time`, disagrees, where a single source or the second leg
    /// jumped, and with `index` 0 where an answer is invalid: never use `index` then. Whatever is shown, there is one outcome: what
    /// could still turn it when shown makes the call revert.
    /// @param phase what `commitment` answered
    /// @param proof abi.encode(uint80 round) with a single source, else abi.encode(uint80 round, uint80[] rounds), in the
    /// order of the validators, the second leg last: of each the last round transmitted at or before `time`; the first round of its
    /// phase if that came later; 0 if the feed is dead. Validators after the quorum's last one are not read. The word of a source that
    /// is not Chainlink's is not read either: its price is proven before, in the same transaction, or remembered by its pool.
    function firstAfter(uint16 phase, uint256 afterTime, bytes calldata proof)
        external
        view
        returns (uint256 index, uint256 time, bool undisputed);

    /// @notice The newest price, for checks of risk. Reverts where it is stale, invalid, disputed, or in grace.
    function latest() external view returns (uint256 index, uint256 time);

    /// @notice Starts, clears or completes the clock of an outage. Anyone may call it, at any time.
    /// @dev First it follows the proxies of validators and of the second leg to a new phase: until then `latest` takes them for
    /// silent, so that liquidation does not go on where closing could not. Started when there is no valid price, which also
    /// records the last undisputed one that a bounded search finds; cleared by a valid price observed after the start. Complete
    /// after the limit if the primary was silent throughout, or if somebody called at least every eighth of the limit and no valid
    /// price was there; otherwise it starts anew. The silence of a source that is only pulled proves nothing.
    /// Reverts for lack of gas (`GasTooLow`), never because of what a source does.
    function checkOutage() external returns (bool ended);

    /// @notice After the end: the last undisputed index and its time, the same for every position of every market on this oracle.
    function finalPrice() external view returns (bool ended, uint256 index, uint256 time);

    /// @notice Largest silence of the primary, seconds; of a source that is pulled, how often it is published.
    function heartbeat() external view returns (uint256);

    /// @notice How far the true price may lie from the primary's before it speaks, 1e18 = 100 %.
    function deviation() external view returns (uint256);
}
