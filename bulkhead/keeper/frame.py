"""A snapshot of a market as one picture for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bulkhead.keeper.market_snapshot import MarketSnapshot, Row

#: Cells of a health bar. Full at so many times the requirement.
CELLS, FULL = 16, 4.0
#: Orders shown.
ORDERS = 6
_EIGHTHS = " ▏▎▍▌▋▊▉"


def frame(snapshot: MarketSnapshot, coin: Decimal | None = None) -> RenderableType:
    """All of it. `coin` is what a native coin is worth in tokens, without which there is no profit."""
    top = Table.grid(expand=True)
    top.add_column(ratio=1)
    top.add_column(ratio=1)
    top.add_column(ratio=1)
    top.add_row(_oracle(snapshot), _pool(snapshot), _own(snapshot, coin))
    return Group(_title(snapshot), top, _positions(snapshot), _orders(snapshot), _promises(snapshot))


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


def _title(snapshot: MarketSnapshot) -> Text:
    when = datetime.fromtimestamp(snapshot.head.time, UTC)
    title = Text(f"  {snapshot.name}", style="bold")
    title.append(
        f"   chain {snapshot.chain_id}, block {snapshot.head.number:,}, {when:%Y-%m-%d %H:%M:%S} UTC", style="default"
    )
    return title


def _oracle(snapshot: MarketSnapshot) -> Panel:
    lines = Table.grid(padding=(0, 1))
    lines.add_row("price", Text(f"{_price(snapshot.index)}", style="bold"))
    if snapshot.ended:
        state, colour = "ended: what is left is settled", "red"
    elif snapshot.refusal is not None:
        state, colour = f"{snapshot.refusal}; shown is the last trade's", "red"
    else:
        state, colour = "valid", "green"
    lines.add_row("age", _time(snapshot.head.time - snapshot.at) if snapshot.at else "–")
    lines.add_row("state", Text(state, style=colour))
    if snapshot.outage and not snapshot.ended:
        left = _time(max(snapshot.outage + snapshot.limit - snapshot.head.time, 0))
        lines.add_row("outage", Text(f"{_time(snapshot.head.time - snapshot.outage)}; ends in {left}", style="red"))
    return Panel(lines, title="oracle", box=box.ROUNDED)


def _pool(snapshot: MarketSnapshot) -> Panel:
    total = snapshot.committed + snapshot.idle
    used = snapshot.committed / total if total else 0.0
    lines = Table.grid(padding=(0, 1))
    lines.add_row("in use", f"{_tokens(snapshot.committed, snapshot)} ({used:.1%})")
    lines.add_row("free", _tokens(snapshot.idle, snapshot))
    lines.add_row("exits due", _tokens(snapshot.due_exits, snapshot))
    lines.add_row("long / short", f"{_size(snapshot.long)} / {_size(snapshot.short)}")
    return Panel(lines, title="pool", box=box.ROUNDED)


def _own(snapshot: MarketSnapshot, coin: Decimal | None) -> Panel:
    own = snapshot.own
    spent = None if own.spent is None else Decimal(own.spent).scaleb(-18)
    earned = None if own.earned is None else Decimal(own.earned).scaleb(-snapshot.decimals)
    lines = Table.grid(padding=(0, 1))
    lines.add_row("gas", f"{snapshot.base_fee / 10**9:.3f} gwei, {own.in_flight} under way")
    lines.add_row("earned", "–" if earned is None else f"{earned:,.2f} tokens today")
    lines.add_row("spent", "–" if spent is None else f"{spent:,.6f} coins today")
    if None not in (earned, spent, coin):
        assert earned is not None and spent is not None and coin is not None
        profit = earned - spent * coin
        lines.add_row("profit", Text(f"{profit:,.2f} tokens", style="green" if profit >= 0 else "red"))
    return Panel(lines, title="keeper", box=box.ROUNDED)


def _positions(snapshot: MarketSnapshot) -> Table:
    title = f"{snapshot.open:,} open positions, {snapshot.sick:,} to liquidate; the nearest to it first"
    table = Table(title=title, box=box.SIMPLE_HEAD, expand=True, title_justify="left")
    table.add_column("vault", no_wrap=True)
    for name in ("size", "margin", "equity", "required"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("health", no_wrap=True, min_width=CELLS)
    table.add_column("distance", justify="right", no_wrap=True)
    for row in snapshot.nearest:
        table.add_row(*_position(row, snapshot))
    return table


def _position(row: Row, snapshot: MarketSnapshot) -> list[RenderableType]:
    side = Text(_size(row.size), style="green" if row.size > 0 else "magenta")
    sums = [_tokens(amount, snapshot) for amount in (row.margin, row.equity, row.maintenance)]
    sick = row.equity < row.maintenance
    distance = Text("now", style="bold red") if sick else Text(f"{row.distance:.2%}")
    return [_short(row.vault), side, *sums, bar(row.equity, row.maintenance), distance]


def _orders(snapshot: MarketSnapshot) -> RenderableType:
    if not snapshot.waiting:
        return Text("  no orders wait", style="bright_black")
    table = Table(title=f"{len(snapshot.waiting):,} orders wait", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("vault", "order", "age", "due"):
        table.add_column(name, no_wrap=True)
    for order in snapshot.waiting[:ORDERS]:
        due = f"since {_time(order.due)}" if order.due > 0 else f"in {_time(-order.due)}"
        table.add_row(_short(order.vault), order.kind.name.lower().replace("_", " "), _time(order.age), due)
    return table


def _promises(snapshot: MarketSnapshot) -> Text:
    if not snapshot.broken:
        return Text(f"  {snapshot.checked} invariants hold", style="green")
    text = Text(f"  {len(snapshot.broken)} of {snapshot.checked} invariants are broken", style="bold red")
    for one in snapshot.broken:
        text.append(f"\n  {one}", style="red")
    return text


def _tokens(units: int, snapshot: MarketSnapshot) -> str:
    return f"{Decimal(units).scaleb(-snapshot.decimals):,.2f}"


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
