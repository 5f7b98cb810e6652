// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Status} from "../../contracts/interfaces/IMarket.sol";
import {Action, Call, Properties} from "./Properties.sol";
import {State, Vault} from "./State.sol";
import {vm} from "./Vm.sol";

/// @title A call of the protocol with all that is checked around it, and the choices of a handler.
/// @dev A handler takes one word: its choices follow from it and from the state, as in the other fuzzer. A call may be refused.
abstract contract Calls is Properties {
    uint256 internal constant MAX = type(uint64).max;
    uint256 internal constant ANY = type(uint256).max;
    /// @dev Steps that follow the end of a market: then all is settled, and nothing more can happen.
    uint256 private constant AFTERMATH = 25;

    struct Rng {
        uint256 word;
    }

    /// @dev Of the run so far; read when it ends.
    uint256 internal steps;
    uint256 internal calls;
    uint256 internal succeeded;
    uint256 internal alives;
    /// @dev Steps since the end of the market, that one included.
    uint256 internal ended;
    /// @dev Tokens have fallen on somebody since all was looked at.
    bool internal donated;
    /// @dev When the pool's worth was looked at last.
    uint256 private looked;

    // ---------------------------------------------------------------- steps and calls

    modifier step() {
        ++steps;
        if (ended <= AFTERMATH) {
            if (ended != 0) ++ended;
            _;
            alives += alive;
        }
    }

    function _do(Action memory a, address part, bytes memory data) internal {
        State memory before = _look();
        vm.prank(a.sender);
        bytes memory answer;
        (a.done, answer) = part.call(data);
        ++calls;
        if (a.done) {
            ++succeeded;
            if (a.call == Call.RequestOpen) {
                address[] memory made = abi.decode(answer, (address[]));
                for (uint256 i; i < made.length; ++i) {
                    _watch(made[i], a.trader);
                }
            }
        }
        // What is refused leaves the EVM as it was: there is nothing new to sum, unless tokens fell, and no other worth,
        // unless time has passed.
        State memory s = a.done ? _look() : before;
        (s.index, s.at) = _latest();
        if (a.done) _requireStep(before, a, s);
        if (a.done || donated) _requireSound(s);
        if (a.done || clock != looked) _requireWorth(s);
        (donated, looked) = (false, clock);
        if (a.done) _forget(s);
    }

    function _vaultAction(Call call, address sender, address vault) internal pure returns (Action memory a) {
        (a.call, a.sender, a.touched) = (call, sender, new address[](1));
        a.touched[0] = vault;
    }

    function _pool(Call call, address sender, bytes memory data) internal {
        Action memory a;
        (a.call, a.sender) = (call, sender);
        _do(a, address(pool), data);
    }

    // ---------------------------------------------------------------- whom and what

    function _next(Rng memory rng, uint256 n) internal pure returns (uint256) {
        rng.word = uint256(keccak256(abi.encode(rng.word)));
        return rng.word % n;
    }

    function _chance(Rng memory rng, uint256 percent) internal pure returns (bool) {
        return _next(rng, 100) < percent;
    }

    /// @dev Anybody's position, ever, or a stranger.
    function _any(Rng memory rng) internal view returns (address) {
        uint256 i = _next(rng, vaults.length + 1);
        return i == vaults.length ? KEEPER : vaults[i];
    }

    /// @dev A position that is open (or pending), if there is one and luck wants it.
    function _some(Rng memory rng, bool pending) internal view returns (Vault memory) {
        if (_chance(rng, 97)) {
            uint256 count = watched.length;
            uint256 from = count == 0 ? 0 : _next(rng, count);
            for (uint256 i; i < count; ++i) {
                Vault memory v = _vault(watched[(from + i) % count]);
                if (_status(v) == Status.Open || (pending && v.state != 0)) return v;
            }
        }
        return _vault(_any(rng));
    }

    /// @dev A position with an order, if there is one.
    function _waiting(Rng memory rng) internal view returns (bool, Vault memory v) {
        uint256 count = watched.length;
        uint256 from = count == 0 ? 0 : _next(rng, count);
        for (uint256 i; i < count; ++i) {
            v = _vault(watched[(from + i) % count]);
            if (v.order != 0 || _status(v) == Status.Pending) return (true, v);
        }
        return (false, v);
    }

    function _owner(Rng memory rng, address vault) internal view returns (address) {
        address trader = traderOf[vault] == address(0) ? TRADER : traderOf[vault];
        return _chance(rng, 96) ? trader : GUEST;
    }

    function _provider(Rng memory rng) internal pure returns (address) {
        return _chance(rng, 50) ? PROVIDER : GUEST;
    }

    function _move(Rng memory rng) internal {
        _wait([1, 11, 12, 13, 60, 60, 600][_next(rng, 7)]);
        uint256 kind = _next(rng, 7);
        int256 change = int256(_next(rng, kind < 5 ? 401 : 1_801)) - (kind < 5 ? int256(200) : int256(900));
        if (kind == 6) {
            change = _chance(rng, 50) ? int256(1_200) : -1_200;
            if (_chance(rng, 70)) change /= 2;
        }
        _push(price * uint256(10_000 + change) / 10_000);
    }
}
