// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

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

uint256 constant COMPOSED = 1 << 199;

/// @dev More than any feed needs. A caller cannot starve a feed into silence: all but 1/64 of the gas goes along, and
/// what would be left of it could not finish the call.
uint256 constant FEED_GAS = 200_000;

using {at, heartbeat, kind, isPush, isComposed} for Feed global;

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

/// @dev A call whose result is copied up to 160 bytes only, and that never reverts; `ok` needs `size` of them.
function read(address target, bytes4 selector, uint256 argument, uint256 size)
    view
    returns (bool ok, uint256[5] memory word)
{
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
