"""Twin of DepthFeed.sol: the depth of a Uniswap v3 pool around its price, collateral with 18 decimals."""

from __future__ import annotations

from math import isqrt

from bulkhead.model.integers import MAX_UINT128, mul_div
from bulkhead.model.interfaces.oracle import Block
from bulkhead.model.libraries import tick_price
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.oracles import uniswap_source
from bulkhead.model.oracles.errors import SettingInvalid
from bulkhead.model.oracles.source import Kind, SourceConfig
from bulkhead.model.oracles.uniswap_pool import UniswapPool

ROOT_SCALE = 1 << 96


class DepthFeed:
    """`band` of the price, 1e18 = 100 %; `block` stands for the chain. Raises SettingInvalid."""

    def __init__(
        self, pool: UniswapPool, window: int, inverted: bool, block_time: int, band: int, block: Block
    ) -> None:
        if not 0 < band <= ONE:
            raise SettingInvalid("band", band)
        self.block, self.band = block, band
        config = SourceConfig(
            Kind.UNISWAP, pool, b"", 0, window, 0, MAX_UINT128, 0, inverted, window, block_time, composed=False
        )
        self.feed, _ = uniswap_source.pin(config, block.timestamp)
        self._factor = (isqrt(ONE * (ONE + band)) - ONE) * 10 ** (18 - self.feed.other_decimals)

    def depth(self) -> int:
        """What moves the price by the band, rounded down; 0: nothing is known."""
        means = uniswap_source.means(self.feed, 0, self.block.timestamp)
        if means is None or means[1] == 0:
            return 0
        tick, seconds_per_liquidity = means
        liquidity = min((self.feed.window << 128) // seconds_per_liquidity, MAX_UINT128)
        amount = mul_div(liquidity, tick_price.at(tick >> 1, ROOT_SCALE), ROOT_SCALE)
        return mul_div(amount, self._factor, ONE)
