// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IFactory} from "../interfaces/IFactory.sol";
import {IKeeperAdapter} from "../interfaces/IKeeperAdapter.sol";
import {IMarket, MarketConfig, Order, OrderKind, Position, Status} from "../interfaces/IMarket.sol";
import {IOracle} from "../interfaces/IOracle.sol";
import {FirstRound} from "./FirstRound.sol";

/// @title A market's upkeep for keeper networks that ask `checkUpkeep` and send `performUpkeep`.
/// @dev It has no power of its own: what it asks of the market anybody may ask. Tokens that lie here are fees, or a gift.
contract KeeperAdapter is IKeeperAdapter {
    using SafeERC20 for IERC20;

    /// @notice Orders, and liquidations, in one performance at most: some three million gas together.
    uint256 public constant BATCH = 10;

    /// @notice The market, the oracle that it goes by, and the token that its fees are paid in.
    IMarket public immutable MARKET;
    IOracle public immutable ORACLE;
    IERC20 public immutable TOKEN;
    /// @notice Who gets the fees.
    address public immutable RECEIVER;

    uint256 private immutable DELAY;
    uint256 private immutable TIME_TO_LIVE;
    /// @dev The oracle's Chainlink proxies, the primary first; empty where its prices are not all Chainlink's. Set once.
    address[] private _feeds;

    /// @param feeds of the oracle: the primary's proxy, the validators', the second leg's. Only used to find proofs: with wrong ones
    /// none is found.
    constructor(IFactory factory, MarketConfig memory config, address[] memory feeds, address receiver) {
        // slither-disable-next-line unused-return
        (address market,,) = factory.marketOf(config);
        if (!factory.isMarket(market)) revert UnknownMarket(market);
        if (receiver == address(0)) revert NoReceiver();
        (MARKET, ORACLE, TOKEN) = (IMarket(market), IOracle(config.oracle), IERC20(config.token));
        (DELAY, TIME_TO_LIVE, RECEIVER) = (config.delay, config.timeToLive, receiver);
        _feeds = feeds;
    }

    // ---------------------------------------------------------------- what there is to do

    /// @inheritdoc IKeeperAdapter
    function checkUpkeep(bytes calldata checkData) external view returns (bool needed, bytes memory performData) {
        Check memory check = abi.decode(checkData, (Check));
        Work memory work = Work(new Execution[](BATCH), new address[](BATCH));
        (bool priced, uint256 index, uint256 time) = _latest();
        (uint256 orders, uint256 sick) = (0, 0);
        for (uint256 i; i < check.positions.length + check.count && orders + sick < 2 * BATCH; ++i) {
            uint256 named = check.positions.length;
            address position = i < named ? check.positions[i] : vaultOf(check.first + i - named);
            if (i >= named && position.code.length == 0) break;
            (bool due, bytes memory proof) = _isDue(position);
            if (due) {
                if (orders < BATCH) work.executions[orders++] = Execution(position, proof);
            } else if (priced && sick < BATCH && _isLiquidatable(position, index, time)) {
                work.liquidations[sick++] = position;
            }
        }
        (Execution[] memory executions, address[] memory liquidations) = (work.executions, work.liquidations);
        assembly ("memory-safe") {
            mstore(executions, orders) // shorter, never longer
            mstore(liquidations, sick)
        }
        return (orders + sick != 0, abi.encode(work));
    }

    /// @dev Is there an order that can be carried out now, and by which proof?
    function _isDue(address position) private view returns (bool, bytes memory proof) {
        Order memory order = MARKET.orderOf(position);
        uint256 due = order.requestedAt + DELAY;
        if (order.kind == OrderKind.None || block.timestamp <= due) return (false, proof);
        if (_feeds.length != 0) proof = FirstRound.proof(ORACLE, _feeds, order.phase, due);
        if (proof.length == 0) return (block.timestamp > due + TIME_TO_LIVE, proof);
        // What the oracle refuses, the market does too. Its answer decides over the outcome, not over whether there is one.
        // slither-disable-next-line unused-return
        try ORACLE.firstAfter(order.phase, due, proof) returns (uint256, uint256, bool) {
            return (true, proof);
        } catch {
            return (block.timestamp > due + TIME_TO_LIVE, "");
        }
    }

    /// @dev As Market decides, but for a close of its own that is due, which was looked for before. What has no mark for now, as in
    /// settlement, is not: it must not hide the others.
    function _isLiquidatable(address position, uint256 index, uint256 time) private view returns (bool) {
        Position memory p = MARKET.positionOf(position);
        if (p.status != Status.Open || time <= p.time) return false;
        // slither-disable-next-line unused-return
        try MARKET.health(position, index, time) returns (int256 equity, uint256 maintenance, uint256) {
            return equity < int256(maintenance);
        } catch {
            return false;
        }
    }

    function _latest() private view returns (bool priced, uint256 index, uint256 time) {
        try ORACLE.latest() returns (uint256 index_, uint256 time_) {
            return (true, index_, time_);
        } catch {}
    }

    // ---------------------------------------------------------------- doing it

    /// @inheritdoc IKeeperAdapter
    function performUpkeep(bytes calldata performData) external {
        Work memory work = abi.decode(performData, (Work));
        (uint256 executed, uint256 liquidated) = (0, 0);
        address[] memory single = new address[](1); // each by itself: one that is refused must not stop the others
        for (uint256 i; i < work.executions.length; ++i) {
            Execution memory one = work.executions[i];
            single[0] = one.position;
            // slither-disable-next-line calls-loop
            try MARKET.execute(single, one.proof) {
                ++executed;
            } catch (bytes memory reason) {
                emit StepRefused(one.position, reason);
            }
        }
        if (work.liquidations.length != 0) {
            try MARKET.liquidate(work.liquidations) returns (uint256 done) {
                liquidated = done;
            } catch (bytes memory reason) {
                emit StepRefused(address(0), reason);
            }
        }
        if (executed + liquidated == 0) revert NothingDone();
        uint256 fees = TOKEN.balanceOf(address(this));
        // A receiver that the token refuses stops no upkeep: its fees wait here for the next performance.
        // slither-disable-next-line incorrect-equality
        if (fees != 0 && !TOKEN.trySafeTransfer(RECEIVER, fees)) fees = 0;
        emit Performed(executed, liquidated, fees);
    }

    // ---------------------------------------------------------------- the market's positions

    /// @inheritdoc IKeeperAdapter
    /// @dev A market creates nothing but vaults, so its n-th position is its n-th creation: keccak256(rlp([market, n])).
    function vaultOf(uint256 number) public view returns (address) {
        if (number < 0x80) {
            return _hashed(abi.encodePacked(hex"d694", MARKET, number == 0 ? bytes1(0x80) : bytes1(uint8(number))));
        }
        uint256 size;
        for (uint256 rest = number; rest != 0; rest >>= 8) {
            ++size;
        }
        bytes memory digits = new bytes(size);
        for (uint256 rest = number; size != 0; rest >>= 8) {
            digits[--size] = bytes1(uint8(rest));
        }
        size = digits.length;
        return _hashed(abi.encodePacked(uint8(0xd6 + size), hex"94", MARKET, uint8(0x80 + size), digits));
    }

    function _hashed(bytes memory list) private pure returns (address) {
        return address(uint160(uint256(keccak256(list))));
    }
}
