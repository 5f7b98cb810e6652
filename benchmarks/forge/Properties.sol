// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Order, OrderKind, Position, Status} from "../../contracts/interfaces/IMarket.sol";
import {Bands} from "../../contracts/libraries/Bands.sol";
import {Book, Carry, Series, Side} from "../../contracts/libraries/Book.sol";
import {State, StateReader, Sums, Vault} from "./State.sol";

enum Call {
    RequestOpen,
    RequestClose,
    RequestRaise,
    Execute,
    AddMargin,
    RemoveMargin,
    Liquidate,
    CloseAtReserve,
    Settle,
    Claim,
    Other,
    Deposit,
    Mint,
    Redeem,
    Withdraw,
    RequestRedeem,
    ExecuteExit,
    ClaimExit
}

/// @notice A call of the protocol, and whether it went through; `Other` are those of operators, of shares and of the oracle.
/// @param touched vaults that it may change; the others are neighbours
/// @param trader whose funds an opening uses, @param to where a claim goes, @param amount of margin
/// @param proof of an order's price, @param index that it proves; 0 where there is none
struct Action {
    Call call;
    address sender;
    bool done;
    address[] touched;
    address trader;
    address to;
    uint256 amount;
    bytes proof;
    uint256 index;
}

/// @title The properties of bulkhead/invariants.py, by the same ids: of a state, and of a step.
abstract contract Properties is StateReader {
    using Bands for uint256;
    using Bands for uint40;

    uint256 private constant VIRTUAL_SHARES = 1e6;
    uint256 private constant YEAR = 365 days;
    int256 private constant KEPT_INDEX = 1e8;

    /// @dev The guest has ever been given something to do for this trader.
    mapping(address trader => bool) internal granted;

    /// @dev What all positions sum to.
    struct Totals {
        uint256 count;
        uint256 open;
        uint256 margins;
        uint256 reserves;
        uint256 earmarks;
        uint256 claims;
        uint256 tokens;
        uint256 buying;
        uint256 selling;
        Half long;
        Half short;
    }

    /// @dev What the open positions of one side sum to.
    struct Half {
        uint256 lots;
        uint256 margin;
        uint256 reserve;
        uint256 entryValue;
        int256 funding;
        uint256 borrowing;
    }

    // ---------------------------------------------------------------- of a state

    /// @dev Sums, lanes, terms: what only an action or a donation can change.
    function _requireSound(State memory s) internal view {
        Totals memory t;
        Carry memory carry = _carryAt(s.sums.carry, s.time);
        for (uint256 i; i < s.vaults.length; ++i) {
            Vault memory v = s.vaults[i];
            t.tokens += v.balance;
            (uint256 toTrader, uint256 toPool) = _claims(v);
            t.claims += toPool;
            if (v.state == 0) {
                require(v.balance >= toTrader + toPool, "SAFE-1c");
                require(v.terms == 0 && v.order == 0, "ORD-2");
                continue;
            }
            Position memory p = _position(v);
            bool open = p.status == Status.Open;
            require(v.balance >= p.margin + toTrader + toPool + (open ? p.reserve : 0), "SAFE-1");
            _requirePosition(s, v, p, carry);
            _requireOrder(s, v, p, t);
            ++t.count;
            t.earmarks += p.reserve;
            if (!open) continue;
            ++t.open;
            t.margins += p.margin;
            t.reserves += p.reserve;
            Half memory side = p.size > 0 ? t.long : t.short;
            uint256 size = _abs(p.size);
            uint256 lots = size / LOT;
            side.lots += lots;
            side.margin += p.margin >> 8;
            side.reserve += p.reserve;
            side.entryValue += _up(size * p.entry, UNIT);
            side.funding += int256(lots) * p.funding;
            side.borrowing += p.reserve * p.borrowing;
        }
        _requireTokens(s, t);
        _requirePool(s, t);
        _requireSeries(s, t);
    }

    function _requirePosition(State memory s, Vault memory v, Position memory p, Carry memory carry) private view {
        uint256 size = _abs(p.size);
        require(size >= 0.01e18 && size % LOT == 0, "POS-1");
        require(p.status == Status.Open || p.margin >= 100 * TOKEN, "POS-2");
        require(p.time <= s.time && traderOf[v.at] != address(0), "POS-4");
        if (p.status != Status.Open) return;
        // A partial exit leaves what does not divide.
        require(p.size > 0 || p.reserve <= _up(size * p.entry, UNIT) + 2, "POS-5");
        require(p.borrowing * uint256(KEPT_INDEX) <= carry.borrowing, "POS-6");
    }

    function _requireOrder(State memory s, Vault memory v, Position memory p, Totals memory t) private pure {
        Order memory order = _order(v);
        require((p.status == Status.Pending) == (order.kind == OrderKind.Open), "ORD-1");
        if (order.kind == OrderKind.None) return;
        require(order.high == 0 || order.low <= order.high, "ORD-3");
        require(order.low.floor().value() == order.low && order.high.floor().value() == order.high, "ORD-3");
        require(order.requestedAt <= s.time, "ORD-4");
        if (order.kind == OrderKind.RaiseReserve) {
            t.earmarks += order.amount;
        } else {
            bool opens = order.kind == OrderKind.Open;
            uint256 lots = opens ? _abs(p.size) / LOT : order.amount;
            if ((p.size > 0) == opens) t.buying += lots;
            else t.selling += lots;
        }
    }

    function _requireTokens(State memory s, Totals memory t) private view {
        uint256 tokens = t.tokens + rest;
        uint256 shares;
        for (uint256 i; i < s.tokens.length; ++i) {
            tokens += s.tokens[i];
            shares += s.shares[i];
        }
        require(tokens == s.sums.supply, "SAFE-2");
        require(shares == s.sums.shareSupply, "POOL-7");
        uint256 kept = s.kept[0] + s.kept[1];
        require(s.tokens[POOL] + t.reserves >= _idle(s) + _committed(s) + kept, "SAFE-2p");
        require(s.tokens[MARKET] == 0, "SAFE-2m");
    }

    function _requirePool(State memory s, Totals memory t) private view {
        require(_committed(s) == t.earmarks, "POOL-2");
        require(_owed(s) == t.claims, "POOL-3");
        require(_busy(s) == t.count, "POOL-4");
        uint256 asked;
        for (uint256 i; i < s.exits.length; i += 2) {
            require(s.exits[i] != 0, "POOL-6");
            asked += uint128(s.exits[i + 1]);
        }
        (uint256 first, uint256 next) = _line(s);
        require(_exitAt(next) == 0 && (first == 0 || _exitAt(first - 1) == 0), "POOL-6");
        require(s.sums.owed >> 128 == asked && s.shares[POOL] >= asked, "POOL-5");
        require(_committed(s) <= type(uint88).max / 2, "POOL-8");
        uint40 last = uint40(s.sums.funds >> 200);
        require(last.value().floor() == last, "POOL-9");
    }

    function _requireSeries(State memory s, Totals memory t) private pure {
        Sums memory sums = s.sums;
        require(uint64(sums.sizes) == t.long.lots && uint64(sums.sizes >> 64) == t.short.lots, "BOOK-1");
        require(uint64(sums.sizes >> 128) == t.buying && sums.sizes >> 192 == t.selling, "BOOK-2");
        _requireSide(sums.longAmounts, sums.longIndices, t.long);
        _requireSide(sums.shortAmounts, sums.shortIndices, t.short);
        // A perpetual has one series: number 0.
        require(sums.live == 1 << 24 || (sums.live == 0 && t.count == 0), "BOOK-8");
        require((sums.carry >> 248 != 0) == (sums.live != 0), "BOOK-9");
        require(uint32(sums.carry >> 216) <= s.time, "CAR-2");
    }

    function _requireSide(uint256 amounts, uint256 indices, Half memory side) private pure {
        require(uint80(amounts) == side.margin, "BOOK-3");
        require(uint88(amounts >> 80) == side.reserve, "BOOK-4");
        require(amounts >> 168 == side.entryValue, "BOOK-5");
        require(int256(indices) >> 128 == side.funding, "BOOK-6");
        require(uint128(indices) == side.borrowing, "BOOK-7");
    }

    /// @dev What depends on price and time as well.
    function _requireWorth(State memory s) internal view {
        int256 rate = int40(uint40(s.sums.carry >> 136));
        bool longHeavy = uint64(s.sums.sizes) > uint64(s.sums.sizes >> 64);
        require(rate == 0 || (rate > 0) == longHeavy || over, "CAR-3");
        if (s.index == 0) return;
        uint256 index = s.index;
        Carry memory carry = _carryAt(s.sums.carry, s.time);
        uint256 count;
        uint256 margins;
        uint256 reserves;
        int256 gains;
        bool beyond;
        for (uint256 i; i < s.vaults.length; ++i) {
            if (_status(s.vaults[i]) != Status.Open) continue;
            Position memory p = _position(s.vaults[i]);
            (uint256 maintenance, uint256 target) = _required(p, index);
            require(target >= maintenance, "MAR-3");
            int256 equity = _equity(p, index, carry);
            beyond = beyond || equity < 0 || equity > int256(p.margin + p.reserve);
            gains += equity - int256(p.margin);
            margins += p.margin;
            reserves += p.reserve;
            ++count;
        }
        uint256 worth = pool.worth(index, s.at);
        uint256 held = _held(s);
        require(worth + reserves >= held, "SAFE-5");
        require(worth <= held + margins, "SAFE-5u");
        if (beyond) return; // positions that wait for liquidation or for their reserve
        // Per position: a unit for its entry value and its gain, two for its carry, and what a kept index rounds away.
        uint256 room = 4 * count + 4 + 2 * index * count * LOT / (UNIT * 1e8);
        require(_abs(int256(worth) - int256(held) + gains) <= room, "POOL-1");
    }

    // ---------------------------------------------------------------- of a step

    function _requireStep(State memory before, Action memory a, State memory s) internal view {
        if (a.proof.length != 0) a.index = _proven(before, a, s);
        _requireNeighbours(before, a, s);
        _requireNoGain(before, a, s);
        _requireSeriesStep(before, s);
        _requireLine(before, s);
        _requireNothingGrows(before, s);
        if (over) _requireNothingOpens(before, s);
        if (a.call == Call.ExecuteExit) _requireLeast(before, s);
        if (a.call == Call.RequestOpen || a.call == Call.RequestRaise) {
            uint256 used = _committed(s) * ONE / Math.max(_held(s), 1);
            require(used <= config.largestUtilisation, "POOL-11");
        }
        if (a.call == Call.AddMargin) _requireAdded(before, a, s);
        else if (a.call == Call.RemoveMargin) _requireRemoved(before, a, s);
        else if (a.call == Call.Execute) _requireExecution(before, a, s);
        else if (a.call == Call.Liquidate) _requireLiquidation(before, a, s);
        else if (a.call >= Call.Deposit) _requireShares(before, a, s);
    }

    function _requireNeighbours(State memory before, Action memory a, State memory s) private view {
        bool poolPays =
            a.call == Call.ExecuteExit || a.call == Call.ClaimExit || a.call == Call.Redeem || a.call == Call.Withdraw;
        bool[2] memory paid; // the two traders
        for (uint256 i; i < before.vaults.length; ++i) {
            (Vault memory old, Vault memory v) = (before.vaults[i], s.vaults[i]);
            if (v.balance < old.balance) paid[_place(traderOf[v.at])] = true;
            if (_touches(a, v.at)) continue;
            require(v.state == old.state && v.terms == old.terms && v.order == old.order, "SAFE-3");
            require(v.claims == old.claims && v.balance >= old.balance, "SAFE-3");
        }
        address user = a.sender;
        if (a.call == Call.RequestOpen) user = a.trader;
        if (a.call == Call.RequestClose || a.call == Call.RequestRaise || a.call == Call.RemoveMargin) {
            user = traderOf[a.touched[0]];
        }
        require(user == a.sender || (a.sender == GUEST && granted[user]), "PERM-1");
        for (uint256 i; i < POOL; ++i) {
            (uint256 old, uint256 tokens, address actor) = (before.tokens[i], s.tokens[i], _actor(i));
            require(tokens >= old || actor == user || actor == a.sender, "PERM-1");
            bool payee = actor == a.sender || (i < 2 && paid[i]) || (a.call == Call.Claim && actor == a.to);
            require(tokens <= old || payee || poolPays, "SAFE-4");
        }
        if (a.touched.length == 1) _requireNoMore(before, a, s);
    }

    function _requireNoMore(State memory before, Action memory a, State memory s) private view {
        bool pays = a.call >= Call.RemoveMargin && a.call <= Call.Claim;
        if (!pays && a.call != Call.Execute) return;
        address trader = traderOf[a.touched[0]];
        if (trader == a.sender || trader == address(0)) return;
        (Vault memory old,) = _find(before, s, a.touched[0]);
        Position memory p = _position(old);
        (uint256 toTrader,) = _claims(old);
        uint256 got = Math.saturatingSub(s.tokens[_place(trader)], before.tokens[_place(trader)]);
        require(got <= p.margin + p.reserve + toTrader, "SAFE-4t");
    }

    function _proven(State memory before, Action memory a, State memory s) private view returns (uint256 index) {
        (Vault memory old,) = _find(before, s, a.touched[0]);
        Order memory order = _order(old);
        (index,,) = oracle.firstAfter(order.phase, order.requestedAt + config.delay, a.proof);
    }

    function _requireNoGain(State memory before, Action memory a, State memory s) private pure {
        // At a price that is no longer the newest, somebody has won and somebody has lost.
        if (s.index == 0 || (a.index != 0 && a.index != s.index)) return;
        (Carry memory was, Carry memory carry) = (_carryAt(before.sums.carry, s.time), _carryAt(s.sums.carry, s.time));
        int256 gained = int256(s.tokens[0] + s.tokens[1]) - int256(before.tokens[0] + before.tokens[1]);
        // Anyone may add margin.
        if (a.call == Call.AddMargin && a.sender == GUEST) gained += int256(s.tokens[3]) - int256(before.tokens[3]);
        Vault memory none;
        for (uint256 i; i < s.vaults.length; ++i) {
            (Vault memory old, Vault memory v) = (i < before.vaults.length ? before.vaults[i] : none, s.vaults[i]);
            if (v.state == old.state && v.terms == old.terms && v.claims == old.claims) continue;
            gained += _stake(v, s.index, carry) - _stake(old, s.index, was);
        }
        // Roundings of a slice and of its rest; a claim that the trader sends to a stranger is a loss.
        require(gained <= int256(4 * Math.max(a.touched.length, 1)), "ROUND-1");
    }

    /// @dev What its trader could take out of a vault at a price.
    function _stake(Vault memory v, uint256 index, Carry memory carry) private pure returns (int256 stake) {
        (uint256 toTrader,) = _claims(v);
        stake = int256(toTrader);
        if (v.state == 0) return stake;
        Position memory p = _position(v);
        if (p.status != Status.Open) return stake + int256(p.margin);
        int256 equity = _equity(p, index, carry);
        int256 most = int256(p.margin + p.reserve);
        return stake + (equity < 0 ? int256(0) : equity < most ? equity : most);
    }

    function _requireSeriesStep(State memory before, State memory s) private view {
        (uint256 old, uint256 word) = (before.sums.carry, s.sums.carry);
        require(uint64(word >> 72) >= uint64(old >> 72), "CAR-4");
        if (!over && old >> 248 != 0) {
            (Carry memory was, Carry memory carry) = (_carryAt(old, s.time), _carryAt(word, s.time));
            require(was.funding == carry.funding && was.borrowing == carry.borrowing, "CAR-5");
        }
        (uint256 oldRate, uint256 since) = Book.borrowRate(old);
        (uint256 rate,) = Book.borrowRate(word);
        uint256 from = Math.max(oldRate, 0.02e18 / YEAR);
        require(rate <= from + 0.2e18 / YEAR * (s.time - since) / 3_600, "RAMP-1");
    }

    function _requireLine(State memory before, State memory s) private pure {
        (uint256 oldFirst, uint256 oldNext) = _line(before);
        (uint256 first, uint256 next) = _line(s);
        require(first >= oldFirst && next >= oldNext && first - oldFirst <= 1, "POOL-12");
        for (uint256 id = first; id < oldNext; ++id) {
            (uint256 was, uint256 place) = (2 * (id - oldFirst), 2 * (id - first));
            require(uint160(s.exits[place]) == uint160(before.exits[was]), "POOL-12");
            require(uint128(s.exits[place + 1]) <= uint128(before.exits[was + 1]), "POOL-12");
        }
    }

    function _requireLeast(State memory before, State memory s) private pure {
        (uint256 oldFirst,) = _line(before);
        (uint256 first,) = _line(s);
        (uint256 asked, uint256 least) = (uint128(before.exits[1]), before.exits[1] >> 128);
        uint256 left = asked - (first == oldFirst ? uint128(s.exits[1]) : 0);
        if (left == 0) return; // renewed
        address owner = address(uint160(before.exits[0]));
        uint256 at = _place(owner);
        uint256 back = s.shares[at] - before.shares[at];
        if (back != 0) {
            require(first != oldFirst && 2 * (left - back) <= left + 2, "POOL-13");
        } else {
            uint256 waits = owner == PROVIDER ? s.kept[0] - before.kept[0] : s.kept[1] - before.kept[1];
            require((s.tokens[at] - before.tokens[at] + waits) * asked >= least * left, "POOL-13");
        }
    }

    function _requireNothingGrows(State memory before, State memory s) private pure {
        for (uint256 i; i < before.vaults.length; ++i) {
            (Vault memory old, Vault memory v) = (before.vaults[i], s.vaults[i]);
            if (v.state == 0 || (v.state == old.state && v.terms == old.terms)) continue;
            (Position memory was, Position memory p) = (_position(old), _position(v));
            require(_abs(p.size) <= _abs(was.size), "EXE-4");
            require(was.status != Status.Open || p.entry == was.entry, "EXE-4");
        }
    }

    function _requireNothingOpens(State memory before, State memory s) private pure {
        require(s.vaults.length == before.vaults.length, "END-1");
        for (uint256 i; i < s.vaults.length; ++i) {
            require(_status(s.vaults[i]) != Status.Open || _status(before.vaults[i]) == Status.Open, "END-1");
        }
    }

    function _requireAdded(State memory before, Action memory a, State memory s) private pure {
        (Vault memory old, Vault memory v) = _find(before, s, a.touched[0]);
        require(v.terms == old.terms && v.state >> 88 == old.state >> 88, "MAR-1");
        require(uint88(v.state) - uint88(old.state) == a.amount, "MAR-1");
    }

    function _requireRemoved(State memory before, Action memory a, State memory s) private pure {
        (Vault memory old, Vault memory v) = _find(before, s, a.touched[0]);
        require(uint88(v.state) >= 100 * TOKEN, "MAR-2");
        require(uint88(old.state) - uint88(v.state) == a.amount, "MAR-2");
        uint256 kept = uint128(v.claims) - uint128(old.claims);
        require(old.balance - v.balance + kept == a.amount, "MAR-2");
        if (s.index == 0) return;
        Position memory p = _position(v);
        (uint256 maintenance,) = _required(p, s.index);
        require(_equity(p, s.index, _carryAt(s.sums.carry, s.time)) >= int256(maintenance), "MAR-5");
    }

    function _requireExecution(State memory before, Action memory a, State memory s) private view {
        (Vault memory old, Vault memory v) = _find(before, s, a.touched[0]);
        Order memory order = _order(old);
        (Position memory was, Position memory p) = (_position(old), _position(v));
        bool opened = order.kind == OrderKind.Open;
        require(v.order == 0 && p.status != Status.Pending, "EXE-2");
        (uint256 oldSize, uint256 size) = (_abs(was.size), _abs(p.size));
        if (order.kind == OrderKind.RaiseReserve) require(p.reserve <= was.reserve + order.amount, "EXE-3");
        if (opened) require(size <= oldSize && p.reserve <= was.reserve, "EXE-3");
        if (order.kind == OrderKind.Close) {
            require(size == 0 || size + order.amount * LOT >= oldSize, "EXE-3");
        }
        if (!opened) return;
        if (v.state != 0) {
            (uint256 maintenance,) = _required(p, a.index);
            int256 equity = int256(p.margin) + _floor(p.size * (int256(a.index) - int256(p.entry)), int256(UNIT));
            require(equity >= int256(maintenance), "MAR-4");
            return;
        }
        address trader = traderOf[old.at];
        if (trader == a.sender) return;
        uint256 fee = _up(config.openFee * _up(oldSize * Math.max(a.index, order.high), UNIT), ONE);
        uint256 got = s.tokens[_place(trader)] + uint128(v.claims) - uint128(old.claims);
        require(got + config.keeperCap + fee >= before.tokens[_place(trader)] + was.margin, "VOID-1");
    }

    function _requireLiquidation(State memory before, Action memory a, State memory s) private view {
        uint256 index = s.index;
        Carry memory was = _carryAt(before.sums.carry, before.time);
        Carry memory carry = _carryAt(s.sums.carry, s.time);
        for (uint256 i; i < before.vaults.length; ++i) {
            (Vault memory old, Vault memory v) = (before.vaults[i], s.vaults[i]);
            if (!_touches(a, old.at)) continue;
            Position memory p = _position(old);
            (uint256 maintenance,) = _required(p, index);
            bool unhealthy = p.status == Status.Open && s.at > p.time && _equity(p, index, was) < int256(maintenance);
            if (v.state == old.state && v.terms == old.terms) {
                // Carry is the same before and after: CAR-5.
                require(!unhealthy || _order(v).kind == OrderKind.Close, "LIQ-1b");
                continue;
            }
            require(unhealthy, "LIQ-1");
            if (a.touched.length == 1) _requireFlatFee(before, a, s, old, p);
            if (v.state == 0) continue;
            Position memory left = _position(v);
            (, uint256 target) = _required(left, index);
            require(_abs(left.size) < _abs(p.size), "LIQ-2");
            require(_equity(left, index, carry) >= int256(target), "LIQ-2");
        }
    }

    function _requireFlatFee(State memory before, Action memory a, State memory s, Vault memory old, Position memory p)
        private
        view
    {
        if (blocked == a.sender || blocked == old.at || blocked == address(pool)) return;
        uint256 got = s.tokens[_place(a.sender)] - before.tokens[_place(a.sender)];
        require(got >= Math.min(config.liquidationFee, p.margin), "LIQ-3");
    }

    function _requireShares(State memory before, Action memory a, State memory s) private pure {
        if (a.call == Call.RequestRedeem || a.call == Call.ClaimExit) return;
        (int256 old, int256 value) = (int256(_held(before)), int256(_held(s)));
        if (_busy(before) != 0) {
            if (s.index == 0) return;
            old -= _gains(before, s.index);
            value -= _gains(s, s.index);
            if (old <= 0) return;
        }
        // Worth a share, virtual ones included, does not fall; a unit of rounding aside.
        require(
            (value + 2) * int256(before.sums.shareSupply + VIRTUAL_SHARES)
                >= (old + 1) * int256(s.sums.shareSupply + VIRTUAL_SHARES),
            "POOL-10"
        );
    }

    // ---------------------------------------------------------------- shared

    /// @dev The newest price; 0 where there is none.
    function _latest() internal view returns (uint256 index, uint256 at) {
        try oracle.latest() returns (uint256 index_, uint256 at_) {
            return (index_, at_);
        } catch {}
    }

    // In plain numbers, apart from the libraries of the contracts: a fault in them must not hide itself.

    /// @dev Unclamped, token units.
    function _equity(Position memory p, uint256 index, Carry memory carry) internal pure returns (int256) {
        int256 gain = p.size * (int256(index) - int256(p.entry));
        int256 funding = carry.funding - p.funding * KEPT_INDEX;
        int256 borrowing = int256(carry.borrowing) - int256(p.borrowing) * KEPT_INDEX;
        if (p.size < 0) funding = -funding;
        int256 value = int256(_abs(p.size) * index);
        value = funding > 0 ? -_floor(-value, int256(UNIT)) : value / int256(UNIT); // up where the trader pays
        int256 owed = -_floor(-value * funding, 1e18) - _floor(-int256(p.reserve) * borrowing, 1e18);
        return int256(p.margin) + _floor(gain, int256(UNIT)) - owed;
    }

    function _required(Position memory p, uint256 index) internal pure returns (uint256 maintenance, uint256 target) {
        uint256 notional = _up(_abs(p.size) * index, ONE);
        maintenance = _up(_up(notional * 2, 100), UNIT / ONE);
        target = _up(_up(notional * 3, 100), UNIT / ONE);
        if (p.size < 0) return (maintenance, target);
        uint256 largestLoss = uint256(p.size) * index / UNIT;
        return (Math.min(maintenance, largestLoss), Math.min(target, largestLoss));
    }

    /// @dev The indices of carry at a time, from a series' word.
    function _carryAt(uint256 word, uint256 time) internal pure returns (Carry memory) {
        uint256 since = uint32(word >> 216);
        uint256 elapsed = time > since ? time - since : 0;
        int256 funding = int72(uint72(word)) + int256(int40(uint40(word >> 136))) * int256(elapsed);
        uint256 borrowing = uint64(word >> 72) + uint256(uint40(word >> 176)) * elapsed;
        return Carry(funding, Math.min(borrowing, type(uint64).max));
    }

    function _abs(int256 value) internal pure returns (uint256) {
        return uint256(value < 0 ? -value : value);
    }

    function _floor(int256 a, int256 b) private pure returns (int256) {
        return a >= 0 || a % b == 0 ? a / b : a / b - 1;
    }

    function _up(uint256 a, uint256 b) private pure returns (uint256) {
        return (a + b - 1) / b;
    }

    function _gains(State memory s, uint256 index) private pure returns (int256) {
        Sums memory sums = s.sums;
        if (sums.live == 0) return 0;
        Series memory series = Series({
            sizes: sums.sizes,
            carry: sums.carry,
            long: Side(sums.longAmounts, sums.longIndices),
            short: Side(sums.shortAmounts, sums.shortIndices)
        });
        return Book.gain(series, index, index, s.time, UNIT);
    }

    /// @dev An actor's place in the balances of a state.
    function _place(address actor) private pure returns (uint256) {
        return uint160(actor) - 0x10001;
    }

    function _touches(Action memory a, address vault) private pure returns (bool) {
        for (uint256 i; i < a.touched.length; ++i) {
            if (a.touched[i] == vault) return true;
        }
        return false;
    }

    /// @dev A vault before and after; empty where it was over already.
    function _find(State memory before, State memory s, address vault)
        private
        pure
        returns (Vault memory old, Vault memory v)
    {
        for (uint256 i; i < before.vaults.length; ++i) {
            if (before.vaults[i].at == vault) return (before.vaults[i], s.vaults[i]);
        }
    }
}
