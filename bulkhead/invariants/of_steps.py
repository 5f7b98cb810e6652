"""What holds of every step: of the states before and after a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bulkhead.invariants.rules import ELSEWHERE, REFUSALS, Rule, differ, passage, transition
from bulkhead.invariants.state import NOTIONAL, Action, State, frozen, volatility_of
from bulkhead.model.interfaces.market import Action as Scope
from bulkhead.model.interfaces.market import Order, OrderKind, Position, Status
from bulkhead.model.libraries import book, position_math
from bulkhead.model.libraries.logarithm import RAY
from bulkhead.model.libraries.position_math import LOT, ONE
from bulkhead.model.margin.fixed_margin import FixedMargin
from bulkhead.model.margin.volatility_feed import UNIT
from bulkhead.model.market import NO_CLAIM, NO_ORDER, NO_POSITION
from bulkhead.model.oracles.oracle import Oracle

#: What only the trader may begin, or an operator with this in its scope.
_SCOPES = {
    "request_open": Scope.OPEN,
    "request_close": Scope.CLOSE,
    "request_raise": Scope.RAISE_RESERVE,
    "remove_margin": Scope.REMOVE_MARGIN,
}


def _each(action: Action) -> Iterator[Action]:
    """A call with several positions as the calls with one of them each that it comes to."""
    positions, *rest = action.args
    assert isinstance(positions, Sequence)
    for position in positions:
        yield action._replace(args=(position, *rest), touched=frozenset([position]))


def _one_by_one(check: Rule) -> Rule:
    """A rule of one position for calls with several."""

    def of_all(before: State, action: Action, after: State) -> str | None:
        return next((wrong for one in _each(action) if (wrong := check(before, one, after))), None)

    return of_all


@transition("REV-1", "A refused call changes nothing.", rules=REFUSALS)
def _refused(before: State, action: Action, after: State) -> str | None:
    return None if _written(before) == _written(after) else f"{action.name} was refused and changed something"


def _written(s: State) -> tuple[object, ...]:
    return s.tokens, s.supply, *_own(s)


def _own(s: State) -> tuple[object, ...]:
    numbers = (s.idle, s.committed, s.busy, s.owed, s.last_index, s.exit_shares, s.line, s.share_supply, s.margins)
    return s.positions, s.orders, s.claims, s.series, s.live, s.exits, s.kept, s.shares, *numbers


@transition(
    "ISO-1", "A call to one market changes nothing of another: neither what it knows nor its tokens.", rules=ELSEWHERE
)
def _isolated(before: State, action: Action, after: State) -> str | None:
    if _own(before) != _own(after):
        return f"{action.name} in another market changed this one"
    own = {*before.traders, before.market.pool.address}
    moved = after.moved(before)
    return f"{action.name} in another market moved {moved}" if own & moved.keys() else None


@transition("SAFE-3", "No action on one position changes another, its order, its claims or its balance.")
def _neighbours(before: State, action: Action, after: State) -> str | None:
    for vault in after.altered(before):
        if vault not in action.touched and vault in before.traders:
            return f"{action.name} changed {vault}"
    for vault, gained in after.moved(before).items():
        if gained < 0 and vault in before.traders and vault not in action.touched:
            return f"{action.name} took {-gained} from {vault}"
    return None


@transition("SAFE-4", "A vault pays only its trader, its pool, and where its trader directs a claim.")
def _payees(before: State, action: Action, after: State) -> str | None:
    if action.name in {"execute_exit", "claim_exit", "redeem", "withdraw"}:
        return None  # these pay out of the pool
    market, moved = before.market, after.moved(before)
    allowed = {before.traders[vault] for vault, gained in moved.items() if gained < 0 and vault in before.traders}
    allowed |= {market.pool.address, action.sender, market.token.address}
    if action.name == "claim":
        allowed.add(str(action.args[1]))
    for account, gained in moved.items():
        if gained > 0 and account not in allowed and account not in after.traders:
            return f"{action.name} paid {account}"
    return None


@transition(
    "SAFE-4t",
    "A trader gets no more out of a vault than margin, reserve and claims.",
    "liquidate close_at_reserve settle execute remove_margin claim",
)
def _no_more_than_held(before: State, action: Action, after: State) -> str | None:
    held = dict[str, int]()
    for vault in action.touched & before.traders.keys():
        claim, p = before.claims.get(vault, NO_CLAIM), before.positions.get(vault, NO_POSITION)
        reserve = p.reserve if p.status == Status.OPEN else 0  # an earmark is not in the vault
        trader, most = before.traders[vault], claim.trader if action.name == "claim" else p.margin + reserve
        held[trader] = held.get(trader, 0) + most
    for trader, most in held.items():
        if trader != action.sender and after.balance(trader) - before.balance(trader) > most:
            return f"{action.name} paid {trader} more than the {most} in his vaults"
    return None


@transition("PERM-1", "Only the trader, or an operator within its scope, uses the trader's funds.")
def _permission(before: State, action: Action, after: State) -> str | None:
    market, scope = before.market, _SCOPES.get(action.name)
    if scope is None:
        losers = {account for account, gained in after.moved(before).items() if gained < 0 and account != action.sender}
        if robbed := losers & before.owners:
            return f"{action.name} by {action.sender} took from {sorted(robbed)}"
        return None
    named = str(action.args[0])
    trader = named if scope == Scope.OPEN else before.traders[named]
    grant = market.operators.grant_of(trader, market.address, action.sender)
    if action.sender == trader or (after.time <= grant.expiry and grant.actions >> scope & 1):
        return None
    return f"{action.name} of {trader} by {action.sender}"


@transition("MAR-1", "Adding margin changes nothing of a position but its margin.", "add_margin")
def _add_margin(before: State, action: Action, after: State) -> str | None:
    vault, amount = str(action.args[0]), action.args[1]
    old, new = before.positions[vault], after.positions[vault]
    if (new.reserve, new.size, new.entry, new.funding, new.borrowing) != (
        old.reserve,
        old.size,
        old.entry,
        old.funding,
        old.borrowing,
    ):
        return f"{vault} became {new}"
    return differ("the margin", new.margin - old.margin, amount)


@transition("MAR-2", "Removing margin leaves the minimum, and pays or keeps exactly what it takes.", "remove_margin")
def _remove_margin(before: State, action: Action, after: State) -> str | None:
    vault, amount = str(action.args[0]), action.args[1]
    old, new = before.positions[vault], after.positions[vault]
    if new.margin < before.market.config.min_margin:
        return f"{vault} is left with {new.margin}"
    kept = after.claims.get(vault, NO_CLAIM).trader - before.claims.get(vault, NO_CLAIM).trader
    paid = before.balance(vault) - after.balance(vault)
    return differ("what was taken", (old.margin - new.margin, paid + kept), (amount, amount))


@transition(
    "LIQ-1", "Liquidation changes only what is below maintenance, at a price later than its opening.", "liquidate"
)
def _only_unhealthy(before: State, action: Action, after: State) -> str | None:
    for vault in action.touched & before.positions.keys():
        p = before.positions[vault]
        if after.positions.get(vault) == p:
            continue
        maintenance, _ = before.market._required(p, before.index, _mark(before, p))
        if p.status != Status.OPEN or before.at <= p.time or before.equity(p, before.index, before.at) >= maintenance:
            return f"{vault} was not liquidatable"
    return None


@transition(
    "LIQ-1b", "Liquidation leaves nothing of its list below maintenance that no close order shields.", "liquidate"
)
def _all_unhealthy(before: State, action: Action, after: State) -> str | None:
    for vault in action.touched & after.positions.keys():
        p = after.positions[vault]
        if p.status != Status.OPEN or before.at <= p.time or p != before.positions[vault]:
            continue
        order = after.orders.get(vault, NO_ORDER)
        if order.kind == OrderKind.CLOSE and after.market._due(order, after.at):
            continue
        maintenance, _ = after.market._required(p, after.index, _mark(after, p))
        if after.equity(p, after.index, after.at) < maintenance:
            return f"{vault} is still below maintenance"
    return None


@transition("LIQ-2", "After a partial liquidation the position is smaller and at its target.", "liquidate")
def _target(before: State, action: Action, after: State) -> str | None:
    for vault in action.touched & before.positions.keys() & after.positions.keys():
        old, new = before.positions[vault], after.positions[vault]
        if old == new or old.status != Status.OPEN:
            continue
        _, target = after.market._required(new, after.index, _mark(after, new))
        if abs(new.size) >= abs(old.size) or after.equity(new, after.index, after.at) < target:
            return f"{vault} has size {new.size} of {old.size} and is below its target {target}"
    return None


@transition("LIQ-3", "A liquidation pays its flat fee out of that vault's margin, even at zero equity.", "liquidate")
def _flat_fee(before: State, action: Action, after: State) -> str | None:
    if len(action.touched) != 1:
        return None
    (vault,) = action.touched
    old = before.positions.get(vault)
    if old is None or after.positions.get(vault) == old or action.sender in before.market.token.blocked:
        return None
    if vault in before.market.token.blocked or before.market.pool.address in before.market.token.blocked:
        return None
    got = after.balance(action.sender) - before.balance(action.sender)
    flat = min(before.market.config.liquidation_fee, old.margin)
    return None if got >= flat else f"the keeper of {vault} got {got} of {flat}"


def _mark(s: State, p: Position) -> int:
    return s.market.instrument.mark(p.series, s.index, s.at)


@transition("MAR-4", "What opens is healthy at its own price.", "execute")
@_one_by_one
def _opens_healthy(before: State, action: Action, after: State) -> str | None:
    vault = str(action.args[0])
    old, new = before.positions[vault], after.positions.get(vault)
    if old.status != Status.PENDING or new is None:
        return None
    order, c, proof = before.orders[vault], before.market.config, action.args[1]
    assert isinstance(proof, bytes)
    index, time, _ = before.first_after(order.phase, order.requested_at + c.delay, proof)
    if not isinstance(before.market.margin_model, FixedMargin) and after.time > time + c.time_to_live:
        return None  # what it must have follows a volatility that has gone on since
    mark = before.market.instrument.mark(new.series, index, time)
    maintenance, _ = before.market._required(new, index, mark)
    equity = new.margin + new.size * (mark - new.entry) // before.market.unit
    return f"{vault} has {equity}, needs {maintenance}" if equity < maintenance else None


@transition("MAR-5", "Taking margin out leaves a position healthy, unless it is covered.", "remove_margin")
def _stays_healthy(before: State, action: Action, after: State) -> str | None:
    vault = str(action.args[0])
    p = after.positions[vault]
    if after.index == 0 or p.series not in after.prices:
        return None
    maintenance, _ = after.market._required(p, after.index, _mark(after, p))
    if after.equities[vault] >= maintenance or after.market._covered(p, p.margin):
        return None
    return f"{vault} is left with {after.equities[vault]}, needs {maintenance}"


@transition("ROUND-1", "While the index stands still no step makes the traders together richer.")
def _no_free_money(before: State, action: Action, after: State) -> str | None:
    if before.index == 0 or (before.index, before.at) != (after.index, after.at):
        return None
    if action.name == "execute" and not all(_at_the_newest(before, one) for one in _each(action)):
        return None  # at a price that is no longer the newest, somebody has won and somebody has lost
    moved, altered = after.moved(before), after.altered(before)
    payer = action.sender if action.name == "add_margin" else None  # anyone may
    gained = sum(gained for who, gained in moved.items() if who in after.owners or who == payer)
    for vault in altered:
        gained += _stake(after, vault) - _stake(before, vault)
    # Roundings of a slice and of its rest; a claim that the trader sends to a stranger is a loss.
    return f"{action.name} made the traders {gained} richer" if gained > 4 * max(len(action.touched), 1) else None


def _at_the_newest(before: State, action: Action) -> bool:
    order, proof = before.orders[str(action.args[0])], action.args[1]
    due = order.requested_at + before.market.config.delay
    if not isinstance(proof, bytes) or not proof:
        return True  # void
    index, time, _ = before.first_after(order.phase, due, proof)
    return index == before.index and (before.options is None or time == before.at)  # an option's value is of its time


def _stake(s: State, vault: str) -> int:
    """What its trader could take out of a vault at the newest price."""
    p, stake = s.positions.get(vault), s.claims.get(vault, NO_CLAIM).trader
    if p is None:
        return stake
    if p.status != Status.OPEN:
        return stake + p.margin
    if p.series not in s.prices:
        return stake + p.margin  # what it has won stands still
    return stake + max(0, min(s.equity(p, s.index, s.at), p.margin + p.reserve))


@transition("EXE-2", "Execution ends the order it is given, whatever comes of it.", "execute")
@_one_by_one
def _order_ends(before: State, action: Action, after: State) -> str | None:
    vault = str(action.args[0])
    return f"{vault} still has its order" if vault in after.orders else None


@transition("EXE-3", "What is executed is no larger than what was ordered.", "execute")
@_one_by_one
def _no_more_than_ordered(before: State, action: Action, after: State) -> str | None:
    vault = str(action.args[0])
    order, old, new = before.orders[vault], before.positions[vault], after.positions.get(vault, NO_POSITION)
    if order.kind == OrderKind.RAISE_RESERVE and new.reserve - old.reserve > order.amount:
        return f"{vault} was raised by {new.reserve - old.reserve}"
    if order.kind == OrderKind.OPEN and (abs(new.size) > abs(old.size) or new.reserve > old.reserve):
        return f"{vault} opened with {new.size}, {new.reserve}"
    left = abs(old.size) - order.amount * LOT
    if order.kind == OrderKind.CLOSE and abs(new.size) < left and new.size != 0:
        return f"{vault} is left with {new.size}"
    return None


@transition("EXE-4", "No position grows: sizes never rise, entries never move.")
def _never_grows(before: State, action: Action, after: State) -> str | None:
    for vault in after.altered(before):
        old, new = before.positions.get(vault), after.positions.get(vault)
        if old is None or new is None:
            continue
        if abs(new.size) > abs(old.size) or (old.status == Status.OPEN and new.entry != old.entry):
            return f"{vault} became {new}"
    return None


@transition("CAR-4", "The index of borrowing never falls.")
def _borrowing_rises(before: State, action: Action, after: State) -> str | None:
    for id, series in before.series.items():
        if after.series[id].borrowing < series.borrowing:
            return f"series {id} fell to {after.series[id].borrowing}"
    return None


@transition("CAR-5", "Carry is settled at the old rates before new ones are fixed: no step makes it jump.")
def _no_jump(before: State, action: Action, after: State) -> str | None:
    if frozen(after):
        return None
    for id, series in before.series.items():
        if after.series[id] is series:
            continue
        if series.live and book.carry_at(series, after.time) != book.carry_at(after.series[id], after.time):
            return f"series {id} jumped from {book.carry_at(series, after.time)}"
    return None


@transition("RAMP-1", "The borrow rate rises by its ramp at most.")
def _ramp(before: State, action: Action, after: State) -> str | None:
    parameters = getattr(before.market.instrument, "parameters", None)
    if parameters is None:
        return None
    year = 365 * 86_400
    for id, series in before.series.items():
        new = after.series[id]
        if new.borrow_rate <= series.borrow_rate:
            continue  # time goes forward, CAR-2: it may always stay
        from_ = max(series.borrow_rate, parameters.borrow_base // year)
        most = from_ + parameters.borrow_ramp // year * (after.time - series.time) // 3_600
        if new.borrow_rate > most:
            return f"series {id} rose from {series.borrow_rate} to {new.borrow_rate}, at most {most}"
    return None


def _ramp_factor(before: State, after: State) -> float:
    """By which the volatility may have moved in between."""
    feed = volatility_of(after.market)
    return 1.0 if feed is None else float((RAY / feed.ramp_decay) ** (after.time - before.time))


@passage("RAMP-1v", "The ramped volatility moves by its ramp at most, whatever is counted or skipped.")
def _ramped(before: State, after: State) -> str | None:
    old, new = before.margins, after.margins
    if old is None or new is None:
        return None
    factor = _ramp_factor(before, after)
    low, high = old.ramped / factor - UNIT, old.ramped * factor
    if low * (1 - 1e-9) <= new.ramped <= high * (1 + 1e-9):
        return None
    return f"it went from {old.ramped} to {new.ramped} in {after.time - before.time} s"


@passage("RAMP-1m", "At an unchanged index no maintenance rises faster than the ramp.")
def _maintenance_ramps(before: State, after: State) -> str | None:
    old, new = before.margins, after.margins
    if old is None or new is None:
        return None
    most = old.maintenance * _ramp_factor(before, after)
    if new.maintenance <= most * (1 + 1e-9):
        return None
    return f"that of {NOTIONAL} went from {old.maintenance} to {new.maintenance} in {after.time - before.time} s"


@transition("VOL-1", "A grid point counts as the primary's first price after its time, or is passed over.", "update")
def _grid_point(before: State, action: Action, after: State) -> str | None:
    old, new, feed, oracle = before.margins, after.margins, volatility_of(before.market), before.market.oracle
    if old is None or new is None or feed is None or not isinstance(oracle, Oracle):
        return None
    was, now = old.remembered, new.remembered
    if now.next != was.next + 1:
        return f"after point {was.next} comes {now.next}"
    index, time = _first_told(oracle, was.phase, was.next * feed.interval)
    if now.gap != 1 or now.price == 0:
        agreeing = _agreeing(oracle, index, time)
        disputed = agreeing is None or agreeing < oracle.quorum
        same = (now.fast, now.slow, now.price) == (was.fast, was.slow, was.price)
        return None if disputed and same else f"point {was.next} at {index} was passed over"
    exponent = now.price & 127
    kept = now.price >> 7 << exponent
    return None if kept <= index < kept + (1 << exponent) else f"point {was.next} is {kept}, not {index}"


@transition(
    "ORC-2",
    "An order meets the primary's first price after it; so many validators near it confirm it, whatever others say.",
    "execute",
)
@_one_by_one
def _met_first_price(before: State, action: Action, after: State) -> str | None:
    oracle, due, proof = before.market.oracle, _due(before, action), action.args[1]
    if not isinstance(oracle, Oracle) or not isinstance(proof, bytes) or not proof or frozen(before):
        return None
    phase = before.orders[str(action.args[0])].phase
    index, time, undisputed = before.first_after(phase, due, proof)
    if (index, time) != _first_told(oracle, phase, due):
        return f"it met {index} of {time}, not {_first_told(oracle, phase, due)}"
    agreeing = _agreeing(oracle, index, time)
    if agreeing is None or undisputed == (agreeing >= oracle.quorum):
        return None
    return f"{agreeing} of {oracle.validators} validators confirm {index}, {oracle.quorum} have to"


@transition(
    "ORC-3",
    "Nothing opens, closes or is liquidated on a price that too few validators confirm, or that is too old.",
    "execute liquidate close_at_reserve",
)
def _nothing_on_a_disputed_price(before: State, action: Action, after: State) -> str | None:
    oracle = before.market.oracle
    if not isinstance(oracle, Oracle) or frozen(before):
        return None
    if action.name == "execute":
        told = [(one, *_first_told(oracle, _order(before, one).phase, _due(before, one))) for one in _each(action)]
        prices = [(one, index, time, _agreeing(oracle, index, time)) for one, index, time in told]
    else:
        index, time = _newest_told(oracle)
        agreeing = _agreeing(oracle, index, before.time)
        prices = [(action, index, time, -1 if before.time - time > oracle.max_age else agreeing)]
    for one, index, time, agreeing in prices:
        if agreeing is None or agreeing >= oracle.quorum:
            continue
        for vault in one.touched & before.positions.keys():
            old, new = before.positions[vault], after.positions.get(vault)
            if old.status == Status.PENDING and new is None:
                continue  # void
            if new is None or (new.size, new.reserve) != (old.size, old.reserve):  # a fee may be paid of its margin
                return f"{vault} became {new} at {index} of {time}, which {agreeing} validators confirm"
    return None


def _order(before: State, action: Action) -> Order:
    return before.orders[str(action.args[0])]


def _due(before: State, action: Action) -> int:
    """The moment after which an order's first price is asked for."""
    return _order(before, action).requested_at + before.market.config.delay


def _told(oracle: Oracle, answer: int) -> int:
    return answer * int(10 ** (18 - oracle.primary.decimals))


def _first_told(oracle: Oracle, phase: int, after: int) -> tuple[int, int]:
    """Index and time of the primary's first round of a phase after a moment, as its feed holds it; (0, 0): none."""
    first = (0, 0)
    for answer, started, updated in reversed(oracle.primary.at.phases.get(phase, [])):
        if (time := min(started, updated)) <= after:
            break
        first = _told(oracle, answer), time
    return first


def _newest_told(oracle: Oracle) -> tuple[int, int]:
    """The same of its newest round."""
    phases = oracle.primary.at.phases
    rounds = phases[max(phases)]
    return (_told(oracle, rounds[-1][0]), min(rounds[-1][1:])) if rounds else (0, 0)


def _agreeing(oracle: Oracle, index: int, time: int) -> int | None:
    """How many validators tell a price near an index at a moment, as their feeds hold it. None: there are none, or one
    has moved to a new phase, of which the oracle need not have heard yet."""
    feeds = [feed for feed, _ in oracle.feeds]
    if not feeds or any(len(feed.at.phases) > 1 for feed in feeds):
        return None
    agreeing = 0
    for feed in feeds:
        answer, _, updated = next((one for one in reversed(feed.at.phases[1]) if one[2] <= time), (0, 0, 0))
        near = abs(_told(oracle, answer) - index) * ONE <= index * oracle.spread
        agreeing += near and answer > 0 and time - updated <= feed.heartbeat
    return agreeing


@transition(
    "POOL-10",
    "Entry and exit at one moment leave those who stay no poorer.",
    "deposit mint redeem withdraw execute_exit",
)
def _share_price(before: State, action: Action, after: State) -> str | None:
    if before.busy and (before.standing or (before.index, before.time) != (after.index, after.time)):
        return None
    if before.busy == 0:
        old, new = before.held, after.held
    else:
        old, new = before.held - _gains(before), after.held - _gains(after)
        if old <= 0:
            return None
    # worth a share, virtual ones included, does not fall; a unit of rounding aside
    if (new + 2) * (before.share_supply + 10**6) < (old + 1) * (after.share_supply + 10**6):
        return f"{action.name}: {old} for {before.share_supply} shares became {new} for {after.share_supply}"
    return None


def _gains(s: State) -> int:
    total = 0
    for id in s.live:
        mark = s.market.instrument.mark(id, s.index, s.at)
        total += book.gain(s.series[id], mark, s.index, s.time, s.market.unit)
    return total


@transition("POOL-11", "Openings stop at the cap of utilisation.", "request_open request_raise")
def _utilisation(before: State, action: Action, after: State) -> str | None:
    used = after.committed * ONE // max(after.held, 1)
    cap = before.market.config.largest_utilisation
    return None if used <= cap else f"utilisation {used}"


@transition("POOL-12", "The line of exits moves forward only, first come first served.")
def _first_come(before: State, action: Action, after: State) -> str | None:
    if after.line[0] < before.line[0] or after.line[1] < before.line[1] or after.line[0] - before.line[0] > 1:
        return f"the line went from {before.line} to {after.line}"
    for id, exit in after.exits.items():
        old = before.exits.get(id)
        if old is not None and (exit.owner != old.owner or exit.shares > old.shares):
            return f"request {id} became {exit}"
    return None


@transition(
    "POOL-13",
    "Who leaves by request is paid its least, or has the shares back but for the keeper's fee.",
    "execute_exit",
)
def _least_of_an_exit(before: State, action: Action, after: State) -> str | None:
    first = before.line[0]
    old, rest = before.exits[first], after.exits.get(first)
    assert old.owner is not None
    left = old.shares - (rest.shares if rest else 0)
    back = after.shares.get(old.owner, 0) - before.shares.get(old.owner, 0)
    paid = after.balance(old.owner) - before.balance(old.owner)
    paid += after.kept.get(old.owner, 0) - before.kept.get(old.owner, 0)
    if back:
        if rest or paid > before.market.pool.exit_fee or 2 * (left - back) > left + 2:
            return f"void: {back} of {left} shares back, {paid} paid, {rest} still waits"
    elif paid * old.shares < old.least * left:
        return f"{paid} for {left} shares of {old}"
    return None


@transition("VOID-1", "A void opening gives back all margin but fees that its order could foresee.", "execute")
def _void(before: State, action: Action, after: State) -> str | None:
    c, due, kept = before.market.config, dict[str, int](), dict[str, int]()
    for one in _each(action):
        vault = str(one.args[0])
        old = before.positions[vault]
        if old.status != Status.PENDING or vault in after.positions:
            continue
        trader, order, proof, top = before.traders[vault], before.orders[vault], one.args[1], 0
        if isinstance(proof, bytes) and proof:
            top, _, _ = before.first_after(order.phase, order.requested_at + c.delay, proof)
        fee = position_math.fee_up(c.open_fee, abs(old.size), max(top, order.high), before.market.unit)
        due[trader] = due.get(trader, 0) + old.margin - c.keeper_cap - fee
        claimed = after.claims.get(vault, NO_CLAIM).trader - before.claims.get(vault, NO_CLAIM).trader
        kept[trader] = kept.get(trader, 0) + claimed
    for trader, least in due.items():
        got = after.balance(trader) - before.balance(trader) + kept[trader]
        if trader != action.sender and got < least:
            return f"{trader} got {got} of void openings, at least {least} was due"
    return None


@transition("END-1", "After the end nothing opens.")
def _nothing_opens(before: State, action: Action, after: State) -> str | None:
    if not frozen(before):
        return None
    opened = [v for v, p in after.open if before.positions.get(v, NO_POSITION).status != Status.OPEN]
    return f"{opened} opened" if opened or len(after.positions) > len(before.positions) else None
