"""What a scenario shows: pictures, tables, and a live view of the run. All of it takes plain data."""

from bulkhead.scenario.report.charts import equity_chart, pool_chart, price_chart
from bulkhead.scenario.report.live import LiveView, MarketRow, PositionRow
from bulkhead.scenario.report.tables import NeighbourRow, ResultRow, neighbours_table, summary_table

__all__ = [
    "LiveView",
    "MarketRow",
    "NeighbourRow",
    "PositionRow",
    "ResultRow",
    "equity_chart",
    "neighbours_table",
    "pool_chart",
    "price_chart",
    "summary_table",
]
