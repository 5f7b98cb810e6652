// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Factory} from "../../contracts/Factory.sol";
import {Market} from "../../contracts/Market.sol";
import {Operators} from "../../contracts/Operators.sol";
import {Pool} from "../../contracts/Pool.sol";
import {PositionVault} from "../../contracts/PositionVault.sol";
import {Perpetual} from "../../contracts/instruments/Perpetual.sol";
import {MarketConfig} from "../../contracts/interfaces/IMarket.sol";
import {FixedMargin} from "../../contracts/margin/FixedMargin.sol";
import {FeedProxyMock} from "../../contracts/mocks/FeedProxyMock.sol";
import {TokenMock} from "../../contracts/mocks/TokenMock.sol";
import {Oracle} from "../../contracts/oracles/Oracle.sol";
import {Composition, OracleSettings} from "../../contracts/oracles/OracleSettings.sol";
import {Kind, SourceConfig} from "../../contracts/oracles/Source.sol";
import {vm} from "./Vm.sol";

/// @title One market with its pool, deployed as bulkhead/protocol/deployment.py does, on the shipped terms; who acts, and the
/// world around: time, prices, tokens.
abstract contract World {
    uint256 internal constant ONE = 1e18;
    uint256 internal constant TOKEN = 1e6;
    /// @dev size x price / UNIT is token units.
    uint256 internal constant UNIT = 1e30;
    /// @dev Sizes are multiples of it, 1e18 = one unit.
    uint256 internal constant LOT = 1e10;
    uint256 internal constant NOW = 1_800_000_000;
    uint256 internal constant PRICE = 2_000e18;
    uint256 internal constant HEARTBEAT = 3_600;
    uint256 private constant PIECE = 24_000;

    address internal constant TRADER = address(0x10001);
    address internal constant OTHER = address(0x10002);
    address internal constant PROVIDER = address(0x10003);
    address internal constant GUEST = address(0x10004);
    address internal constant KEEPER = address(0x10005);

    TokenMock internal token;
    FeedProxyMock internal feed;
    Oracle internal oracle;
    Operators internal operators;
    Market internal market;
    Pool internal pool;
    MarketConfig internal config;

    /// @dev Time and price as they were set last, and the times of all rounds: the number of a round is its place + 1.
    uint256 internal clock;
    uint256 internal price;
    uint256[] internal rounds;
    /// @dev The oracle has ended.
    bool internal over;
    address internal blocked;

    function _deploy() internal {
        (clock, price) = (NOW, PRICE);
        vm.warp(clock);
        token = new TokenMock(6);
        feed = new FeedProxyMock(8);
        _push(PRICE);
        _wait(60);
        _push(PRICE);
        operators = new Operators();
        Factory factory = new Factory(
            _hold(type(Market).creationCode), _hold(type(Pool).creationCode), _hold(type(PositionVault).creationCode)
        );
        oracle = new Oracle(_oracleSettings());
        config = _marketConfig();
        (address market_, address pool_) = factory.createMarket(config);
        (market, pool) = (Market(market_), Pool(pool_));
        address[4] memory funded = [TRADER, OTHER, PROVIDER, GUEST];
        for (uint256 i; i < 4; ++i) {
            token.mint(funded[i], 1e9 * TOKEN);
            vm.prank(funded[i]);
            token.approve(market_, type(uint256).max);
            vm.prank(funded[i]);
            token.approve(pool_, type(uint256).max);
        }
        vm.prank(PROVIDER);
        pool.deposit(5_000_000 * TOKEN, PROVIDER);
    }

    function _oracleSettings() private view returns (OracleSettings memory) {
        SourceConfig memory none;
        return OracleSettings({
            base: "ETH",
            quote: "USD",
            primary: SourceConfig({
                kind: Kind.Chainlink,
                at: address(feed),
                id: 0,
                decimals: 8,
                heartbeat: uint32(HEARTBEAT),
                smallest: 0,
                largest: 1e20,
                confidence: 0,
                inverted: false,
                remember: 0,
                blockTime: 0,
                composed: false
            }),
            validators: new SourceConfig[](0),
            leg: none,
            composition: Composition.None,
            deviation: 0.005e18,
            spread: 0,
            quorum: 0,
            maxAge: HEARTBEAT,
            jumpLimit: 0.1e18,
            sequencer: address(0),
            grace: 600,
            outageLimit: 86_400
        });
    }

    function _marketConfig() private returns (MarketConfig memory) {
        Perpetual.Parameters memory terms = Perpetual.Parameters(10_000e18, 1e18, 0.02e18, 0.2e18, 1e18, 0.8e18, 0.2e18);
        return MarketConfig({
            token: address(token),
            oracle: address(oracle),
            instrument: address(new Perpetual(terms)),
            marginModel: address(new FixedMargin(0.04e18, 0.03e18, 0.02e18)),
            operators: address(operators),
            delay: 12,
            timeToLive: 3_900,
            openFee: 0.0005e18,
            closeFee: 0.0005e18,
            phi: 0.1e18,
            phiToPool: 0.5e18,
            smallestLiquidation: 0.25e18,
            largestLiquidation: 0.75e18,
            smallestReserve: 0.05e18,
            largestReserve: 1e18,
            largestUtilisation: 0.9e18,
            keeperFloor: uint96(TOKEN),
            keeperCap: uint96(20 * TOKEN),
            liquidationFee: uint96(5 * TOKEN),
            minMargin: uint96(100 * TOKEN),
            minSize: 0.01e18
        });
    }

    /// @dev Creation code in contracts of its own, as the factory reads it.
    function _hold(bytes memory code) private returns (address[] memory held) {
        held = new address[]((code.length + PIECE - 1) / PIECE);
        for (uint256 i; i < held.length; ++i) {
            uint256 size = code.length - i * PIECE < PIECE ? code.length - i * PIECE : PIECE;
            bytes memory piece = new bytes(size);
            assembly ("memory-safe") {
                mcopy(add(piece, 0x20), add(add(code, 0x20), mul(i, PIECE)), size)
            }
            // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE (0), CODECOPY, RETURNDATASIZE, RETURN: return what follows
            bytes memory loader = abi.encodePacked(hex"61", uint16(size), hex"80600a3d393df3", piece);
            address made;
            assembly ("memory-safe") {
                made := create(0, add(loader, 0x20), mload(loader))
            }
            held[i] = made;
        }
    }

    // ---------------------------------------------------------------- time and prices

    function _wait(uint256 passing) internal {
        clock += passing;
        vm.warp(clock);
    }

    function _push(uint256 value) internal {
        uint256 answer = value / 1e10;
        if (answer == 0) answer = 1;
        feed.push(int256(answer), clock, clock);
        price = answer * 1e10;
        rounds.push(clock);
    }

    /// @dev Proof of the first round after a moment; empty where there is none.
    function _firstProof(uint256 time) internal view returns (bytes memory) {
        uint256 i = rounds.length;
        while (i > 0 && rounds[i - 1] > time) --i;
        return i == rounds.length ? bytes("") : _proof(i);
    }

    function _proof(uint256 i) internal pure returns (bytes memory) {
        return abi.encode(uint256(1) << 64 | (i + 1));
    }

    /// @dev A day without a price: the market ends.
    function _end() internal {
        _wait(HEARTBEAT + 1);
        oracle.checkOutage();
        _wait(86_400);
        over = oracle.checkOutage();
    }
}
