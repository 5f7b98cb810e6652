// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Order, OrderKind, Position, Status} from "../../contracts/interfaces/IMarket.sol";
import {Bands} from "../../contracts/libraries/Bands.sol";
import {vm} from "./Vm.sol";
import {World} from "./World.sol";

/// @notice One vault: its position and order as the market packs them, its claims, its tokens.
struct Vault {
    address at;
    uint256 state;
    uint256 terms;
    uint256 order;
    uint256 claims;
    uint256 balance;
}

/// @notice Words that market, pool and token keep once: the series, the list of series, the pool's sums, both supplies.
struct Sums {
    uint256 sizes;
    uint256 carry;
    uint256 longAmounts;
    uint256 longIndices;
    uint256 shortAmounts;
    uint256 shortIndices;
    uint256 live;
    uint256 funds;
    uint256 owed;
    uint256 line;
    uint256 shareSupply;
    uint256 supply;
}

/// @param index and time of the newest price, 0 where there is none: looked at after a call, no call of the protocol moves it
/// @param tokens of the actors, the pool, the market, in this order; @param shares of the same
/// @param exits two words a request, @param kept for the providers
struct State {
    uint256 time;
    uint256 index;
    uint256 at;
    Vault[] vaults;
    Sums sums;
    uint256[] tokens;
    uint256[] shares;
    uint256[] exits;
    uint256[] kept;
}

/// @title All that can change, read word by word: quicker than the views, and much has none.
abstract contract StateReader is World {
    using Bands for uint40;

    // Where it lies: slots of Market, Pool and ERC20.
    uint256 private constant POSITIONS = 0;
    uint256 private constant CLAIMS = 1;
    uint256 private constant SERIES = 2;
    uint256 private constant LIVE = 3;
    uint256 private constant FUNDS = 5;
    uint256 private constant OWED = 6;
    uint256 private constant EXITS = 7;
    uint256 private constant KEPT = 8;
    uint256 private constant LINE = 9;
    uint256 private constant BALANCES = 0;
    uint256 private constant SUPPLY = 2;

    uint256 internal constant POOL = 5;
    uint256 internal constant MARKET = 6;
    uint256 private constant HOLDERS = 7;

    /// @dev Vaults in which something is left, and all that ever were; what is over changes no more.
    address[] internal watched;
    address[] internal vaults;
    mapping(address vault => address) internal traderOf;
    /// @dev Tokens in vaults that are over: roundings and donations.
    uint256 internal rest;
    uint256 internal alive;

    function _holder(uint256 i) internal view returns (address) {
        if (i == POOL) return address(pool);
        if (i == MARKET) return address(market);
        return _actor(i);
    }

    function _actor(uint256 i) internal pure returns (address) {
        return address(uint160(0x10001 + i));
    }

    function _look() internal view returns (State memory s) {
        s.time = clock;
        s.vaults = new Vault[](watched.length);
        for (uint256 i; i < s.vaults.length; ++i) {
            s.vaults[i] = _vault(watched[i]);
        }
        (address at, uint256 base) = (address(market), _slot(0, SERIES));
        Sums memory sums = s.sums;
        (sums.sizes, sums.carry) = (_load(at, base), _load(at, base + 1));
        (sums.longAmounts, sums.longIndices) = (_load(at, base + 2), _load(at, base + 3));
        (sums.shortAmounts, sums.shortIndices) = (_load(at, base + 4), _load(at, base + 5));
        sums.live = _load(at, LIVE);
        at = address(pool);
        (sums.funds, sums.owed, sums.line) = (_load(at, FUNDS), _load(at, OWED), _load(at, LINE));
        (sums.shareSupply, sums.supply) = (_load(at, SUPPLY), _load(address(token), SUPPLY));
        (s.tokens, s.shares) = (new uint256[](HOLDERS), new uint256[](HOLDERS));
        for (uint256 i; i < HOLDERS; ++i) {
            uint256 slot = _slot(uint160(_holder(i)), BALANCES);
            (s.tokens[i], s.shares[i]) = (_load(address(token), slot), _load(at, slot));
        }
        (uint256 first, uint256 next) = _line(s);
        s.exits = new uint256[](2 * (next - first));
        for (uint256 i; i < next - first; ++i) {
            base = _slot(first + i, EXITS);
            (s.exits[2 * i], s.exits[2 * i + 1]) = (_load(at, base), _load(at, base + 1));
        }
        s.kept = new uint256[](2);
        (s.kept[0], s.kept[1]) = (_kept(PROVIDER), _kept(GUEST));
    }

    /// @dev What the token refused to pay a provider.
    function _kept(address owner) internal view returns (uint256) {
        return _load(address(pool), _slot(uint160(owner), KEPT));
    }

    function _isAlive(address vault) internal view returns (bool) {
        return _load(address(market), _slot(uint160(vault), POSITIONS)) != 0;
    }

    function _exitAt(uint256 id) internal view returns (uint256) {
        return _load(address(pool), _slot(id, EXITS));
    }

    function _vault(address at) internal view returns (Vault memory) {
        uint256 base = _slot(uint160(at), POSITIONS);
        return Vault({
            at: at,
            state: _load(address(market), base),
            terms: _load(address(market), base + 1),
            order: _load(address(market), base + 2),
            claims: _load(address(market), _slot(uint160(at), CLAIMS)),
            balance: _load(address(token), _slot(uint160(at), BALANCES))
        });
    }

    function _load(address target, uint256 slot) private view returns (uint256) {
        return vm.load(target, bytes32(slot));
    }

    function _slot(uint256 key, uint256 slot) private pure returns (uint256 hash) {
        assembly ("memory-safe") {
            mstore(0x00, key)
            mstore(0x20, slot)
            hash := keccak256(0x00, 0x40)
        }
    }

    // ---------------------------------------------------------------- what the words say

    function _status(Vault memory v) internal pure returns (Status) {
        return Status(uint8(v.state >> 176));
    }

    function _position(Vault memory v) internal pure returns (Position memory p) {
        (uint256 state, uint256 terms) = (v.state, v.terms);
        p.margin = uint88(state);
        p.size = int256(int64(uint64(state >> 88))) * int256(LOT);
        (p.series, p.status, p.time) = (uint24(state >> 152), _status(v), uint32(state >> 184));
        p.borrowing = state >> 216;
        if (p.status == Status.Pending) {
            (p.reserve, p.time) = (uint88(terms), uint32(terms >> 88));
        } else {
            (p.entry, p.reserve, p.funding) = (uint112(terms), uint88(terms >> 112), int256(terms) >> 200);
        }
    }

    function _order(Vault memory v) internal pure returns (Order memory) {
        uint256 word = _status(v) == Status.Pending ? v.terms : v.order;
        return Order({
            kind: OrderKind(uint8(word >> 168)),
            requestedAt: uint32(word >> 88),
            phase: uint16(word >> 120),
            premium: uint256(uint32(word >> 136)) * 1e9,
            amount: uint88(word),
            low: uint40(word >> 176).value(),
            high: uint40(word >> 216).value()
        });
    }

    /// @dev Of the market's two claims on a vault: the trader's and the pool's.
    function _claims(Vault memory v) internal pure returns (uint256 trader, uint256 pool_) {
        return (uint128(v.claims), v.claims >> 128);
    }

    function _idle(State memory s) internal pure returns (uint256) {
        return uint88(s.sums.funds);
    }

    function _committed(State memory s) internal pure returns (uint256) {
        return uint88(s.sums.funds >> 88);
    }

    function _busy(State memory s) internal pure returns (uint256) {
        return uint24(s.sums.funds >> 176);
    }

    /// @dev What vaults owe the pool.
    function _owed(State memory s) internal pure returns (uint256) {
        return uint128(s.sums.owed);
    }

    function _line(State memory s) internal pure returns (uint256 first, uint256 next) {
        return (uint128(s.sums.line), s.sums.line >> 128);
    }

    /// @dev What the pool holds before gains.
    function _held(State memory s) internal pure returns (uint256) {
        return _idle(s) + _committed(s) + _owed(s);
    }

    // ---------------------------------------------------------------- bookkeeping

    function _watch(address vault, address trader) internal {
        watched.push(vault);
        vaults.push(vault);
        traderOf[vault] = trader;
    }

    /// @dev Leaves alone what is over, and counts the living.
    function _forget(State memory s) internal {
        uint256 living;
        for (uint256 left = s.vaults.length; left > 0; --left) {
            uint256 i = left - 1;
            Vault memory v = s.vaults[i];
            if (v.state != 0) {
                ++living;
            } else if (v.claims == 0) {
                rest += v.balance;
                watched[i] = watched[watched.length - 1];
                watched.pop();
            }
        }
        alive = living;
    }

    function _isWatched(address vault) internal view returns (bool) {
        for (uint256 i; i < watched.length; ++i) {
            if (watched[i] == vault) return true;
        }
        return false;
    }
}
