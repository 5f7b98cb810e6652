// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IExpiryFixing, Sample} from "../interfaces/IExpiryFixing.sol";
import {IOracle} from "../interfaces/IOracle.sol";

/// @title Fixes the settlement price of an expiry from six proven prices, five minutes apart, in the half hour before it.
/// @notice Moving one of them by p moves the mean by p / 6, by p / 5 where one is missing.
/// @dev A sample is the oracle's first price after its time: whoever proves it, whenever in its life, it is the same. A phase is bound
/// only while the sample lies ahead, so nobody chooses it knowing its prices. One word holds an expiry; its bits from the
/// lowest: sum 131, phases 6 x 16, proven 6, fixed 1, minutes by which unproven samples were put off 22.
contract ExpiryFixing is IExpiryFixing {
    uint256 public constant SAMPLES = 6;
    uint256 public constant STEP = 5 minutes;
    uint256 public constant WINDOW = SAMPLES * STEP;

    uint256 private constant PHASES = 131;
    uint256 private constant PROVEN = PHASES + 16 * SAMPLES;
    uint256 private constant DONE = PROVEN + SAMPLES;
    uint256 private constant LATER = DONE + 1;

    IOracle public immutable ORACLE;
    /// @notice Seconds after the last sample's time within which samples may be proven.
    uint256 public immutable LIFE;

    mapping(uint256 expiry => uint256) private _words;

    constructor(IOracle oracle, uint256 life) {
        if (life <= oracle.heartbeat() || life > 2 days) revert ParameterInvalid("life", life);
        (ORACLE, LIFE) = (oracle, life);
    }

    /// @inheritdoc IExpiryFixing
    function bind(uint256 expiry) external {
        uint256 word = _words[expiry];
        if (!_bind(expiry, word)) revert NothingToBind(expiry);
    }

    /// @inheritdoc IExpiryFixing
    function prove(uint256 expiry, bytes[] calldata proofs) external {
        uint256 word = _unfixed(expiry);
        if (proofs.length > SAMPLES) revert TooManyProofs(proofs.length, SAMPLES);
        uint256 until = _until(expiry, word);
        if (block.timestamp > until) revert SamplesExpired(expiry, until);
        for (uint256 i; i < proofs.length; ++i) {
            if (proofs[i].length == 0 || _has(word, PROVEN + i)) continue;
            // The price's own time adds nothing.
            // slither-disable-next-line unused-return,calls-loop
            (uint256 index,, bool undisputed) = ORACLE.firstAfter(_phase(word, i), _time(expiry, word, i), proofs[i]);
            if (undisputed) word = word + index | 1 << PROVEN + i;
            emit Sampled(expiry, i, undisputed ? index : 0);
        }
        if (_count(word) == SAMPLES) word = _fix(expiry, word);
        _words[expiry] = word;
    }

    /// @inheritdoc IExpiryFixing
    function resolve(uint256 expiry) external {
        uint256 word = _unfixed(expiry);
        uint256 until = _until(expiry, word);
        if (block.timestamp <= until) revert SamplesNotExpired(expiry, until);
        // slither-disable-next-line unused-return
        (bool ended,,) = ORACLE.finalPrice();
        if (ended) revert IOracle.OracleEnded();
        if (_count(word) + 1 >= SAMPLES) {
            _words[expiry] = _fix(expiry, word);
            return;
        }
        // From the next but one full minute on, each sample at its distance from the first.
        uint256 later = (block.timestamp - (expiry - WINDOW)) / 1 minutes + 2;
        word = word & (1 << LATER) - 1 | later << LATER;
        emit Renewed(expiry, _time(expiry, word, 0));
        _bind(expiry, word);
    }

    /// @inheritdoc IExpiryFixing
    function fixingOf(uint256 expiry) external view returns (bool known, uint256 index) {
        uint256 word = _words[expiry];
        if (_has(word, DONE)) return (true, _mean(word));
    }

    /// @inheritdoc IExpiryFixing
    function samplesOf(uint256 expiry) external view returns (Sample[] memory samples, uint256 until) {
        uint256 word = _words[expiry];
        samples = new Sample[](SAMPLES);
        for (uint256 i; i < SAMPLES; ++i) {
            samples[i] = Sample(_time(expiry, word, i), _phase(word, i), _has(word, PROVEN + i));
        }
        until = _until(expiry, word);
    }

    function _bind(uint256 expiry, uint256 word) private returns (bool bound) {
        uint16 phase = ORACLE.commitment();
        for (uint256 i; i < SAMPLES; ++i) {
            if (_time(expiry, word, i) <= block.timestamp || _has(word, PROVEN + i)) continue;
            if (!bound) emit Bound(expiry, _time(expiry, word, i), phase);
            bound = true;
            word = word & ~(uint256(type(uint16).max) << PHASES + 16 * i) | uint256(phase) << PHASES + 16 * i;
        }
        _words[expiry] = word;
    }

    function _fix(uint256 expiry, uint256 word) private returns (uint256) {
        emit Fixed(expiry, _mean(word));
        return word | 1 << DONE;
    }

    function _unfixed(uint256 expiry) private view returns (uint256 word) {
        word = _words[expiry];
        if (_has(word, DONE)) revert AlreadyFixed(expiry);
    }

    function _has(uint256 word, uint256 bit) private pure returns (bool) {
        return word >> bit & 1 != 0;
    }

    function _until(uint256 expiry, uint256 word) private view returns (uint256) {
        return _time(expiry, word, SAMPLES) + LIFE;
    }

    /// @dev Of a sample that is proven, no longer of interest.
    function _time(uint256 expiry, uint256 word, uint256 i) private pure returns (uint256) {
        return expiry - WINDOW + (word >> LATER) * 1 minutes + i * STEP;
    }

    function _phase(uint256 word, uint256 i) private pure returns (uint16) {
        return uint16(word >> PHASES + 16 * i);
    }

    function _count(uint256 word) private pure returns (uint256 count) {
        for (uint256 proven = word >> PROVEN & 2 ** SAMPLES - 1; proven != 0; proven &= proven - 1) {
            ++count;
        }
    }

    function _mean(uint256 word) private pure returns (uint256) {
        return (word & (1 << PHASES) - 1) / _count(word);
    }
}
