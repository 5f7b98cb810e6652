"""How long an order waits for its price, and what a trader earns who knows more than the feed.

seconds   the true price, second by second
sources   how a primary tells it, and which primaries are shipped
trader    the informed trader: strategies and what each earns
measure   many days of it, and the best strategy with its error
report    tables and a picture

Amounts are basis points of notional, times seconds.
"""
