// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Snapshot} from "../interfaces/IInstrument.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {IPool} from "../interfaces/IPool.sol";
import {Book} from "../libraries/Book.sol";

/// @notice A series as its instrument and its margin model see it now, index left open.
function snapshotOf(IMarket market, uint24 id) view returns (Snapshot memory state) {
    (state.series, state.time) = (id, block.timestamp);
    (state.long, state.short) = Book.open(market.seriesOf(id).sizes);
    (state.reserved, state.idle) = IPool(market.pool()).liquidity();
}
