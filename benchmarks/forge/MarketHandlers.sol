// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IMarket, Leg, Position, Status} from "../../contracts/interfaces/IMarket.sol";
import {Carry} from "../../contracts/libraries/Book.sol";
import {Calls} from "./Calls.sol";
import {Action, Call} from "./Properties.sol";
import {Vault} from "./State.sol";

/// @title Steps with positions: orders, margin, ends.
abstract contract MarketHandlers is Calls {
    // ---------------------------------------------------------------- orders

    function requestOpen(uint256 word) external step {
        _requestOpen(Rng(word));
    }

    function _requestOpen(Rng memory rng) private {
        Leg[] memory legs = new Leg[](_chance(rng, 50) ? 2 : 1);
        for (uint256 i; i < legs.length; ++i) {
            legs[i] = _leg(rng);
        }
        uint256 wide = [2, 5, 10, 10][_next(rng, 4)];
        (uint256 low, uint256 high) = (price * (100 - wide) / 100, price * (100 + wide) / 100);
        if (_chance(rng, 4)) {
            uint256 odd = _next(rng, 6);
            if (odd == 0) low = 0;
            else if (odd == 1) (low, high) = (high, low);
            else if (odd == 2) (low, high) = (price, price);
            else (low, high) = (1, odd == 3 ? 2 ** 112 - 1 : odd == 4 ? 2 ** 112 : 1);
        }
        Action memory a;
        a.call = Call.RequestOpen;
        a.trader = _chance(rng, 50) ? TRADER : OTHER;
        a.sender = _chance(rng, 97) ? a.trader : GUEST;
        _do(a, address(market), abi.encodeCall(IMarket.requestOpen, (a.trader, legs, low, high)));
    }

    function _leg(Rng memory rng) private view returns (Leg memory leg) {
        leg.size = int256(_chance(rng, 50) ? 10e18 : (0.01e18 + _next(rng, 59.99e18)) / 1e10 * 1e10);
        if (_chance(rng, 50)) leg.size = -leg.size;
        if (_chance(rng, 3)) {
            leg.size = [int256(0.001e18), 2 ** 120 / 1e10 * 1e10, 0, 1e18 + 1, type(int256).min][_next(rng, 5)];
        }
        uint256 notional = 2 ** 87;
        if (leg.size < 1e30 && leg.size > -1e30) notional = _abs(leg.size) * price / 1e36 * TOKEN;
        leg.margin = notional * (_chance(rng, 4) ? 4 : 6 + _next(rng, 14)) / 100;
        uint256 least = (_chance(rng, 75) ? 130 : 1) * TOKEN;
        if (leg.margin < least) leg.margin = least;
        leg.reserve = notional * [10, 10, 15, 50, 90, 100][_next(rng, 6)] / 100 + (_chance(rng, 75) ? 0 : 2 * TOKEN);
        if (_chance(rng, 3)) leg.reserve = [notional * 3 / 100, notional * 3 / 2, 1e6 * TOKEN][_next(rng, 3)];
        leg.series = _chance(rng, 1) ? 1 : 0;
        leg.maxPremium = _chance(rng, 5) ? 0.001e18 : MAX;
    }

    function execute(uint256 word) external step {
        _execute(Rng(word));
    }

    function _execute(Rng memory rng) private {
        (bool waits, Vault memory v) = _waiting(rng);
        uint256 luck = _next(rng, 100);
        if (!waits && luck < 90) return _requestOpen(rng);
        if (!waits || luck >= 97) v = _some(rng, false);
        uint256 time = _order(v).requestedAt + config.delay;
        bytes memory proof = _firstProof(time);
        if (proof.length == 0 && _chance(rng, 90)) {
            if (_chance(rng, 30)) _move(rng);
            _wait(13);
            _push(price);
            proof = _firstProof(time);
        }
        if (_chance(rng, 3)) proof = _chance(rng, 50) ? bytes("") : _proof(rounds.length - 1);
        _executeWith(v.at, proof);
    }

    function _executeWith(address vault, bytes memory proof) private {
        Action memory a = _vaultAction(Call.Execute, KEEPER, vault);
        a.proof = proof;
        address[] memory vaults = new address[](1);
        vaults[0] = vault;
        _do(a, address(market), abi.encodeCall(IMarket.execute, (vaults, proof)));
    }

    /// @dev An order whose first price came after its time to live, or which nobody has proven by then.
    function tooLate(uint256 word) external step {
        Rng memory rng = Rng(word);
        (bool waits, Vault memory v) = _waiting(rng);
        if (!waits) return;
        uint256 due = _order(v).requestedAt + config.delay;
        uint256 late = due + config.timeToLive + 1;
        if (_firstProof(due).length == 0 && _chance(rng, 70)) {
            if (late > clock) _wait(late - clock);
            _push(price);
            return _executeWith(v.at, _firstProof(due));
        }
        if (_chance(rng, 50)) --late;
        if (late > clock) _wait(late - clock);
        _executeWith(v.at, "");
    }

    function requestClose(uint256 word) external step {
        Rng memory rng = Rng(word);
        Vault memory v = _some(rng, false);
        uint256 held = _abs(_position(v).size);
        uint256 size =
            [held, held, ANY, held / 2 / 1e10 * 1e10, held / 3 / 1e10 * 1e10, held / 3, 0.001e18][_next(rng, 7)];
        uint256 band = _next(rng, 5);
        (uint256 low, uint256 high) = band < 2 ? (uint256(0), uint256(0)) : (price * 99 / 100, price * 101 / 100);
        if (band > 2) (low, high) = band == 3 ? (uint256(2), uint256(1)) : (uint256(1), uint256(1));
        uint256 limit = _next(rng, 3) == 0 ? 0 : MAX;
        Action memory a = _vaultAction(Call.RequestClose, _owner(rng, v.at), v.at);
        _do(a, address(market), abi.encodeCall(IMarket.requestClose, (v.at, size, low, high, limit)));
    }

    function requestRaise(uint256 word) external step {
        Rng memory rng = Rng(word);
        Vault memory v = _some(rng, false);
        uint256 reserve = _position(v).reserve;
        uint256 amount = [0, 1, reserve / 2, reserve, 3 * reserve, 1e6 * TOKEN][_next(rng, 6)];
        Action memory a = _vaultAction(Call.RequestRaise, _owner(rng, v.at), v.at);
        _do(a, address(market), abi.encodeCall(IMarket.requestRaise, (v.at, amount)));
    }

    // ---------------------------------------------------------------- margin

    function addMargin(uint256 word) external step {
        Rng memory rng = Rng(word);
        Vault memory v = _some(rng, true);
        uint256 amount = [0, 1, _next(rng, 1_000 * TOKEN), 2 ** 88 - 1, ANY][_next(rng, 5)];
        Action memory a = _vaultAction(Call.AddMargin, _chance(rng, 50) ? TRADER : GUEST, v.at);
        a.amount = amount;
        _do(a, address(market), abi.encodeCall(IMarket.addMargin, (v.at, amount)));
    }

    function removeMargin(uint256 word) external step {
        Rng memory rng = Rng(word);
        Vault memory v = _some(rng, false);
        uint256 margin = _position(v).margin;
        uint256 most = margin > config.minMargin ? margin - config.minMargin : 0;
        uint256 amount = [0, 1, margin / 4, margin / 2, most, margin + 1][_next(rng, 6)];
        Action memory a = _vaultAction(Call.RemoveMargin, _owner(rng, v.at), v.at);
        a.amount = amount;
        _do(a, address(market), abi.encodeCall(IMarket.removeMargin, (v.at, amount)));
    }

    // ---------------------------------------------------------------- ends

    function liquidate(uint256 word) external step {
        _liquidate(Rng(word));
    }

    /// @dev Anybody's pick, or all: one that is over and a stranger among them.
    function _liquidate(Rng memory rng) private {
        address[] memory names = _living();
        if (names.length != 0 && _chance(rng, 40)) {
            address one = names[_next(rng, names.length)];
            names = new address[](1);
            names[0] = one;
        }
        uint256 more = _next(rng, 5);
        if (more == 4) names = _with(names, KEEPER);
        else if (more == 3 && names.length != 0) names = _with(names, names[0]);
        else if (more == 2 && vaults.length != 0) names = _with(names, vaults[vaults.length - 1]);
        Action memory a;
        (a.call, a.sender, a.touched) = (Call.Liquidate, KEEPER, names);
        _do(a, address(market), abi.encodeCall(IMarket.liquidate, (names)));
    }

    /// @dev The price at which one position's equity meets its maintenance, a tick beside it at random; mostly of the one with the
    /// least margin for its size, since on the way to another's price many would end.
    function atTheEdge(uint256 word) external step {
        Rng memory rng = Rng(word);
        Vault memory v = _some(rng, false);
        if (!_chance(rng, 30)) v = _thinnest(v);
        if (_status(v) != Status.Open) return;
        _wait(60);
        (uint256 low, uint256 high) = (price / 2 / 1e10, 2 * price / 1e10);
        Position memory p = _position(v);
        if (p.size < 0) (low, high) = (high, low);
        (bool found, uint256 sick, uint256 well) = _meeting(p, low, high, true);
        if (found) _walk(1e10 * (_chance(rng, 50) ? sick : well));
        _liquidate(rng);
    }

    /// @dev The open position with the least margin for its size; `v` where there is none.
    function _thinnest(Vault memory v) private view returns (Vault memory) {
        uint256 least = type(uint256).max;
        for (uint256 i; i < watched.length; ++i) {
            Vault memory one = _vault(watched[i]);
            if (_status(one) != Status.Open) continue;
            Position memory p = _position(one);
            uint256 share = uint256(p.margin) * 1e18 / _abs(p.size);
            if (share < least) (least, v) = (share, one);
        }
        return v;
    }

    /// @dev The price at which one position's gain meets its reserve, a tick beside it at random.
    function atTheBound(uint256 word) external step {
        Rng memory rng = Rng(word);
        Vault memory v = _some(rng, false);
        if (_status(v) != Status.Open) return;
        _wait(60);
        (uint256 low, uint256 high) = (price / 3 / 1e10, 3 * price / 1e10);
        Position memory p = _position(v);
        if (p.size < 0) (low, high) = (high, low);
        (bool found, uint256 short, uint256 reached) = _meeting(p, low, high, false);
        if (!found) return;
        _walk(1e10 * (_next(rng, 3) == 0 ? short : reached));
        _closeAtReserve(v.at);
    }

    /// @dev Neighbouring answers of the feed between which a position becomes healthy, or its gain reaches its reserve.
    function _meeting(Position memory p, uint256 low, uint256 high, bool health)
        private
        view
        returns (bool, uint256, uint256)
    {
        Carry memory carry = _carry();
        if (_meets(p, low, carry, health) || !_meets(p, high, carry, health)) return (false, 0, 0);
        while (low + 1 < high || high + 1 < low) {
            uint256 middle = (low + high) / 2;
            if (_meets(p, middle, carry, health)) high = middle;
            else low = middle;
        }
        return (true, low, high);
    }

    function _meets(Position memory p, uint256 answer, Carry memory carry, bool health) private pure returns (bool) {
        int256 equity = _equity(p, answer * 1e10, carry);
        if (!health) return equity >= int256(p.margin + p.reserve);
        (uint256 maintenance,) = _required(p, answer * 1e10);
        return equity >= int256(maintenance);
    }

    function _carry() private view returns (Carry memory) {
        return _carryAt(market.seriesOf(0).carry, clock);
    }

    /// @dev To a price in steps that no limit forbids; a price of a few units may not move at all.
    function _walk(uint256 target) private {
        for (uint256 i; i < 20; ++i) {
            if ((target > price ? target - price : price - target) * 10 <= price) break;
            _push(price * (target > price ? 109 : 91) / 100);
            _wait(60);
        }
        _push(target);
    }

    function closeAtReserve(uint256 word) external step {
        Rng memory rng = Rng(word);
        Vault memory v = _some(rng, false);
        (uint256 index,) = _latest();
        Carry memory carry = _carry();
        for (uint256 i; index != 0 && i < watched.length; ++i) {
            // one that has reached it, if any
            Vault memory one = _vault(watched[i]);
            if (_status(one) == Status.Open && _meets(_position(one), index / 1e10, carry, false)) v = one;
        }
        _closeAtReserve(v.at);
    }

    function _closeAtReserve(address vault) private {
        Action memory a = _vaultAction(Call.CloseAtReserve, KEEPER, vault);
        _do(a, address(market), abi.encodeCall(IMarket.closeAtReserve, (vault)));
    }

    function settle(uint256 word) external step {
        Rng memory rng = Rng(word);
        if (ended == 0 && _chance(rng, 4)) {
            ended = 1;
            _end();
        }
        address[] memory names = _with(_living(), KEEPER);
        Action memory a;
        (a.call, a.sender, a.touched) = (Call.Settle, KEEPER, names);
        _do(a, address(market), abi.encodeCall(IMarket.settle, (names)));
    }

    function claim(uint256 word) external step {
        Rng memory rng = Rng(word);
        Vault memory v = _some(rng, false);
        uint256 count = watched.length;
        uint256 from = count == 0 ? 0 : _next(rng, count);
        for (uint256 i; i < count; ++i) {
            Vault memory one = _vault(watched[(from + i) % count]);
            if (one.claims == 0) continue;
            v = one;
            break;
        }
        address trader = traderOf[v.at] == address(0) ? TRADER : traderOf[v.at];
        Action memory a = _vaultAction(Call.Claim, _next(rng, 3) == 0 ? KEEPER : trader, v.at);
        a.to = _next(rng, 3) == 0 ? GUEST : trader;
        _do(a, address(market), abi.encodeCall(IMarket.claim, (v.at, a.to)));
    }

    function _living() private view returns (address[] memory names) {
        names = new address[](alive);
        uint256 count;
        for (uint256 i; i < watched.length; ++i) {
            if (_isAlive(watched[i])) names[count++] = watched[i];
        }
    }

    function _with(address[] memory names, address one) private pure returns (address[] memory more) {
        more = new address[](names.length + 1);
        for (uint256 i; i < names.length; ++i) {
            more[i] = names[i];
        }
        more[names.length] = one;
    }
}
