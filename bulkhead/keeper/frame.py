"""A sight of a market as one picture for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bulkhead.keeper.sight import Row, Sight

#: Cells of a health bar. Full at so many times the requirement.
CELLS, FULL = 16, 4.0
#: Orders shown.
ORDERS = 6
_EIGHTHS = " ▏▎▍▌▋▊▉"


def frame(sight: Sight, coin: Decimal | None = None) -> RenderableType:
    """All of it. `coin` is what a native coin is worth in tokens, without which there is no profit."""
    top = Table.grid(expand=True)
    top.add_column(ratio=1)
    top.add_column(ratio=1)
    top.add_column(ratio=1)
    top.add_row(_oracle(sight), _pool(sight), _own(sight, coin))
    return Group(_title(sight), top, _positions(sight), _orders(sight), _promises(sight))


def bar(equity: int, maintenance: int) -> Text:
    """How far equity is above its requirement: empty at it, full at four times."""
    health = equity / maintenance if maintenance > 0 else FULL
    part = min(max((health - 1) / (FULL - 1), 0.0), 1.0)
    eighths = round(part * CELLS * 8)
    drawn = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    colour = "red" if health < 1.25 else "yellow" if health < 2 else "green"
    text = Text(drawn, style=colour)
    text.append("·" * (CELLS - len(drawn)), style="bright_black")
    return text


def _title(sight: Sight) -> Text:
    when = datetime.fromtimestamp(sight.head.time, UTC)
    title = Text(f"  {sight.name}", style="bold")
    title.append(
        f"   chain {sight.chain_id}, block {sight.head.number:,}, {when:%Y-%m-%d %H:%M:%S} UTC", style="default"
    )
    return title


def _oracle(sight: Sight) -> Panel:
    lines = Table.grid(padding=(0, 1))
    lines.add_row("price", Text(f"{_price(sight.index)}", style="bold"))
    if sight.ended:
        state, colour = "ended: what is left is settled", "red"
    elif sight.refusal is not None:
        state, colour = f"{sight.refusal}; shown is the last trade's", "red"
    else:
        state, colour = "valid", "green"
    lines.add_row("age", _time(sight.head.time - sight.at) if sight.at else "–")
    lines.add_row("state", Text(state, style=colour))
    if sight.outage and not sight.ended:
        left = _time(max(sight.outage + sight.limit - sight.head.time, 0))
        lines.add_row("outage", Text(f"{_time(sight.head.time - sight.outage)}; ends in {left}", style="red"))
    return Panel(lines, title="oracle", box=box.ROUNDED)


def _pool(sight: Sight) -> Panel:
    total = sight.committed + sight.idle
    used = sight.committed / total if total else 0.0
    lines = Table.grid(padding=(0, 1))
    lines.add_row("in use", f"{_tokens(sight.committed, sight)} ({used:.1%})")
    lines.add_row("free", _tokens(sight.idle, sight))
    lines.add_row("exits due", _tokens(sight.due_exits, sight))
    lines.add_row("long / short", f"{_size(sight.long)} / {_size(sight.short)}")
    return Panel(lines, title="pool", box=box.ROUNDED)


def _own(sight: Sight, coin: Decimal | None) -> Panel:
    own = sight.own
    spent = None if own.spent is None else Decimal(own.spent).scaleb(-18)
    earned = None if own.earned is None else Decimal(own.earned).scaleb(-sight.decimals)
    lines = Table.grid(padding=(0, 1))
    lines.add_row("gas", f"{sight.base_fee / 10**9:.3f} gwei, {own.in_flight} under way")
    lines.add_row("earned", "–" if earned is None else f"{earned:,.2f} tokens today")
    lines.add_row("spent", "–" if spent is None else f"{spent:,.6f} coins today")
    if None not in (earned, spent, coin):
        assert earned is not None and spent is not None and coin is not None
        profit = earned - spent * coin
        lines.add_row("profit", Text(f"{profit:,.2f} tokens", style="green" if profit >= 0 else "red"))
    return Panel(lines, title="keeper", box=box.ROUNDED)


def _positions(sight: Sight) -> Table:
    title = f"{sight.open:,} open positions, {sight.sick:,} to liquidate; the nearest to it first"
    table = Table(title=title, box=box.SIMPLE_HEAD, expand=True, title_justify="left")
    table.add_column("vault", no_wrap=True)
    for name in ("size", "margin", "equity", "required"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("health", no_wrap=True, min_width=CELLS)
    table.add_column("distance", justify="right", no_wrap=True)
    for row in sight.nearest:
        table.add_row(*_position(row, sight))
    return table


def _position(row: Row, sight: Sight) -> list[RenderableType]:
    side = Text(_size(row.size), style="green" if row.size > 0 else "magenta")
    sums = [_tokens(amount, sight) for amount in (row.margin, row.equity, row.maintenance)]
    sick = row.equity < row.maintenance
    distance = Text("now", style="bold red") if sick else Text(f"{row.distance:.2%}")
    return [_short(row.vault), side, *sums, bar(row.equity, row.maintenance), distance]


def _orders(sight: Sight) -> RenderableType:
    if not sight.waiting:
        return Text("  no orders wait", style="bright_black")
    table = Table(title=f"{len(sight.waiting):,} orders wait", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("vault", "order", "age", "due"):
        table.add_column(name, no_wrap=True)
    for order in sight.waiting[:ORDERS]:
        due = f"since {_time(order.due)}" if order.due > 0 else f"in {_time(-order.due)}"
        table.add_row(_short(order.vault), order.kind.name.lower().replace("_", " "), _time(order.age), due)
    return table


def _promises(sight: Sight) -> Text:
    if not sight.broken:
        return Text(f"  {sight.checked} invariants hold", style="green")
    text = Text(f"  {len(sight.broken)} of {sight.checked} invariants are broken", style="bold red")
    for one in sight.broken:
        text.append(f"\n  {one}", style="red")
    return text


def _tokens(units: int, sight: Sight) -> str:
    return f"{Decimal(units).scaleb(-sight.decimals):,.2f}"


def _price(index: int) -> str:
    return f"{Decimal(index).scaleb(-18):,.4f}"


def _size(size: int) -> str:
    return f"{Decimal(size).scaleb(-18).normalize():,f}"


def _short(vault: str) -> str:
    return f"{vault[:8]}…{vault[-4:]}"


def _time(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    minutes, hours = seconds // 60, seconds // 3_600
    return f"{minutes} min" if hours < 3 else f"{hours} h" if hours < 72 else f"{hours // 24} d"
