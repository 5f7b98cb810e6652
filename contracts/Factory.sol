// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IFactory} from "./interfaces/IFactory.sol";
import {MarketConfig} from "./interfaces/IMarket.sol";
import {IOracle} from "./interfaces/IOracle.sol";

/// @title The birthplace of one market: its creations have addresses that are known before their code is.
/// @dev Market, pool and vault know each other as immutables; nonces of one creator break the circle.
contract Cradle {
    address private immutable FACTORY = msg.sender;

    error NotFactory(address caller);

    function create(bytes memory code) external returns (address created) {
        if (msg.sender != FACTORY) revert NotFactory(msg.sender);
        assembly ("memory-safe") {
            created := create(0, add(code, 0x20), mload(code))
        }
    }
}

/// @title Permissionless creation and registry.
contract Factory is IFactory {
    uint256 private constant ONE = 1e18;

    /// @dev Creation code is larger than a contract may hold next to its own: it lies in contracts of its own, in pieces.
    address[] private _marketCode;
    address[] private _poolCode;
    address[] private _vaultCode;
    address[] private _markets;

    /// @inheritdoc IFactory
    mapping(address market => bool) public isMarket;

    /// @param marketCode pieces of the creation code of Market
    /// @param poolCode of Pool
    /// @param vaultCode of PositionVault
    constructor(address[] memory marketCode, address[] memory poolCode, address[] memory vaultCode) {
        (_marketCode, _poolCode, _vaultCode) = (marketCode, poolCode, vaultCode);
    }

    /// @inheritdoc IFactory
    function createMarket(MarketConfig calldata config) external returns (address market, address pool) {
        _check(config);
        address vault;
        (market, pool, vault) = marketOf(config);
        if (isMarket[market]) revert MarketExists(market);
        isMarket[market] = true;
        _markets.push(market);
        emit MarketCreated(market, pool, config.token, config);

        Cradle cradle = new Cradle{salt: keccak256(abi.encode(config))}();
        _create(cradle, "Market", market, bytes.concat(_read(_marketCode), abi.encode(config, pool, vault)));
        _create(cradle, "Pool", pool, bytes.concat(_read(_poolCode), abi.encode(market, config)));
        _create(cradle, "PositionVault", vault, bytes.concat(_read(_vaultCode), abi.encode(market, pool, config.token)));
    }

    /// @inheritdoc IFactory
    function marketOf(MarketConfig calldata config) public view returns (address market, address pool, address vault) {
        bytes32 salt = keccak256(abi.encode(config));
        bytes32 code = keccak256(type(Cradle).creationCode);
        address cradle = address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), salt, code)))));
        return (_born(cradle, 1), _born(cradle, 2), _born(cradle, 3));
    }

    /// @inheritdoc IFactory
    function marketCount() external view returns (uint256) {
        return _markets.length;
    }

    /// @inheritdoc IFactory
    function marketAt(uint256 id) external view returns (address) {
        return _markets[id];
    }

    function _check(MarketConfig calldata c) private view {
        // A market is born at a valid price; without one this call says why there is none.
        // slither-disable-next-line unused-return
        IOracle(c.oracle).latest();
        uint256 silence = IOracle(c.oracle).heartbeat() + c.delay;
        uint256 decimals = IERC20Metadata(c.token).decimals();
        _atMost("decimals", decimals, 18);
        _atLeast("delay", c.delay, 1);
        // An order must live longer than the feed may be silent, or it could die unexecuted through nobody's fault.
        _atLeast("timeToLive", c.timeToLive, silence + 1);
        _atMost("timeToLive", c.timeToLive, 7 days);
        _atMost("openFee", c.openFee, ONE / 100);
        _atMost("closeFee", c.closeFee, ONE / 100);
        _atMost("phi", c.phi, ONE / 2);
        _atMost("phiToPool", c.phiToPool, ONE);
        _atLeast("smallestLiquidation", c.smallestLiquidation, ONE / 100);
        _atMost("smallestLiquidation", c.smallestLiquidation, c.largestLiquidation);
        _atMost("largestLiquidation", c.largestLiquidation, ONE);
        _atLeast("smallestReserve", c.smallestReserve, 1);
        _atMost("smallestReserve", c.smallestReserve, c.largestReserve);
        _atMost("largestReserve", c.largestReserve, 10 * ONE);
        _atMost("largestUtilisation", c.largestUtilisation, ONE);
        _atLeast("keeperFloor", c.keeperFloor, 1);
        _atMost("keeperFloor", c.keeperFloor, c.keeperCap);
        _atLeast("liquidationFee", c.liquidationFee, 1);
        // Whatever a position pays to keepers, it can pay several times.
        _atLeast("minMargin", c.minMargin, 4 * uint256(c.keeperCap));
        // A series sums margins in units of 256.
        _atLeast("minMargin", c.minMargin, 1 << 16);
        _atLeast("minMargin", c.minMargin, 4 * uint256(c.liquidationFee));
        _atLeast("minSize", c.minSize, 1);
    }

    function _atLeast(string memory field, uint256 value, uint256 bound) private pure {
        if (value < bound) revert ConfigInvalid(field, value, bound);
    }

    function _atMost(string memory field, uint256 value, uint256 bound) private pure {
        if (value > bound) revert ConfigInvalid(field, value, bound);
    }

    function _create(Cradle cradle, string memory part, address expected, bytes memory code) private {
        if (cradle.create(code) != expected) revert CreationFailed(part);
    }

    function _read(address[] storage pieces) private view returns (bytes memory code) {
        for (uint256 i; i < pieces.length; ++i) {
            code = bytes.concat(code, pieces[i].code);
        }
    }

    /// @dev Address of the nonce-th creation (nonce < 128) of `creator`: keccak256(rlp([creator, nonce])).
    function _born(address creator, uint8 nonce) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes2(0xd694), creator, nonce)))));
    }
}
