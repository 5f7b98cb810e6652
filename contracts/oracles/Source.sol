// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOracle} from "../interfaces/IOracle.sol";

/// @notice What a source is. Chainlink pushes rounds, a price of Pyth is pulled on chain by whoever needs it, Uniswap averages a pool.
enum Kind {
    Chainlink,
    Pyth,
    Uniswap
}

/// @notice A source as its oracle is given it; each fact is checked against the source at creation where it can be known.
/// @param at the proxy of a feed, the contract of Pyth, the pool
/// @param id Pyth's price id
/// @param decimals of the answer: Chainlink 8 or 18, Pyth 0 to 18 (its exponent without the sign), a pool has none
/// @param heartbeat largest silence, seconds; of Pyth, which is published all the time, the cadence; of a pool, the window of the average
/// @param smallest at or below it an answer is invalid: the aggregator's minAnswer in its own unit, at least 0; of a pool an index
/// @param largest at or above it an answer is invalid; Pyth has neither
/// @param confidence of Pyth: the largest confidence interval as a share of the price, 1e9 = 100 %
/// @param inverted of a pool: false for the price of token0 in token1, true for its reciprocal
/// @param remember of a pool: how far back it must be able to answer, seconds: what a price may take to be asked for, and the window
/// @param blockTime of a pool: least seconds between two blocks of its chain
/// @param composed of a validator: does it check the composed price, or the primary's own?
struct SourceConfig {
    Kind kind;
    address at;
    bytes32 id;
    uint8 decimals;
    uint32 heartbeat;
    uint128 smallest;
    uint128 largest;
    uint32 confidence;
    bool inverted;
    uint32 remember;
    uint32 blockTime;
    bool composed;
}

/// @dev A source in two words, so that an oracle holds it in immutables and pays for no contract between: in `Feed` its
/// address (160 bits), the heartbeat (32), its scale (7), whether it checks the composed price (1), its kind (8), and what the kind
/// needs (48); in `Bounds` the smallest (low 128 bits) and largest answer, or Pyth's price id.
type Feed is uint256;
type Bounds is uint256;

/// @notice One price of a source.
/// @param id of a Chainlink round: its phase << 64 plus its number within the phase
/// @param index the answer with 18 decimals; 0 where the answer is invalid
/// @param observed 0 where there is none
struct Round {
    uint256 id;
    int256 answer;
    uint256 index;
    uint256 observed;
    uint256 transmitted;
}

/// @notice How far a search without proofs has gone back through the rounds of a source.
/// @param at where it stands; an empty round at its end
/// @param steps rounds looked at
/// @param gasUsed by what the source was asked
struct Walk {
    Round at;
    uint256 steps;
    uint256 gasUsed;
}

uint256 constant COMPOSED = 1 << 199;

/// @dev More than any feed needs; and what must be there before, so that a call can have it.
uint256 constant FEED_GAS = 100_000;
uint256 constant FEED_FLOOR = 120_000;

/// @dev A walk ends after so many rounds, or when its source has burnt so much: what one burns is not taken from another.
uint256 constant WALK = 32;
uint256 constant WALK_GAS = 400_000;

using {at, heartbeat, kind, isPush, isComposed} for Feed global;
using {isOver} for Walk global;

function at(Feed feed) pure returns (address) {
    return address(uint160(Feed.unwrap(feed)));
}

function heartbeat(Feed feed) pure returns (uint256) {
    return uint32(Feed.unwrap(feed) >> 160);
}

function kind(Feed feed) pure returns (Kind) {
    return Kind(uint8(Feed.unwrap(feed) >> 200));
}

/// @dev Chainlink, whose words end at the kind: asked first, because it is what most oracles are made of.
function isPush(Feed feed) pure returns (bool) {
    return Feed.unwrap(feed) >> 200 == 0;
}

function isComposed(Feed feed) pure returns (bool) {
    return Feed.unwrap(feed) & COMPOSED != 0;
}

function isOver(Walk memory walk) pure returns (bool) {
    return walk.steps >= WALK || walk.gasUsed >= WALK_GAS;
}

/// @dev Whoever sends too little gas must not turn an answer into silence. A call gets all but 1/64 of what there is; what it leaves
/// is enough to get to the next one, or to the end.
function requireGas(uint256 floor) view {
    if (gasleft() < floor) revert IOracle.GasTooLow(gasleft(), floor);
}

/// @dev A call whose result is copied up to 160 bytes only; `ok` needs `size` of them. Reverts for lack of gas and nothing else.
function read(address target, bytes4 selector, uint256 argument, uint256 size)
    view
    returns (bool ok, uint256[5] memory word)
{
    requireGas(FEED_FLOOR);
    assembly ("memory-safe") {
        mstore(0x00, selector)
        mstore(0x04, argument)
        ok := staticcall(FEED_GAS, target, 0x00, 0x24, word, 160)
        if or(iszero(ok), lt(returndatasize(), size)) {
            ok := 0
            calldatacopy(word, calldatasize(), 160)
        }
    }
}
