// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Leg, MarketConfig, Position, Status} from "../contracts/interfaces/IMarket.sol";
import {IOperators} from "../contracts/interfaces/IOperators.sol";
import {IMarket} from "../contracts/interfaces/IMarket.sol";
import {IPool} from "../contracts/interfaces/IPool.sol";
import {Market} from "../contracts/Market.sol";
import {Pool} from "../contracts/Pool.sol";
import {PositionVault} from "../contracts/PositionVault.sol";
import {Stage} from "./Stage.sol";
import {vm} from "./Vm.sol";

/// @title Who may do what to a position: a market, its pool and one open position of this contract's.
contract MarketProof is Stage {
    address private constant POOL = address(0x9001);
    address private constant VAULT = address(0x5afe);
    uint256 private constant MARGIN = 1000e18;

    Market private _market;
    address private _position;

    function setUp() external {
        vm.warp(1_000_000);
        MarketConfig memory c = _config();
        _market = new Market(c, IPool(POOL), VAULT);
        // Market, pool and vault know each other from birth: where the factory foretells addresses, code is put there.
        vm.etch(POOL, address(new Pool(IMarket(address(_market)), c)).code);
        vm.etch(VAULT, address(new PositionVault(address(_market), POOL, IERC20(c.token))).code);
        _token.mint(address(this), type(uint128).max);
        _token.approve(POOL, type(uint256).max);
        _token.approve(address(_market), type(uint256).max);
        Pool(POOL).deposit(1_000_000e18, address(this));
        _position = _market.requestOpen(address(this), _legs(), 1, 4000e18)[0];
        vm.warp(1_000_100);
        _market.execute(_one(_position), hex"01");
        assert(_market.positionOf(_position).status == Status.Open);
    }

    // ---------------------------------------------------------------- the trader's funds

    /// @notice Nobody without a grant opens a position with another's money.
    /// @custom:bounds any caller; one leg of 1 unit, margin and reserve of 1,000
    function check_requestOpen_needs_the_trader(address caller) external {
        vm.assume(caller != address(this));
        uint256 owned = _token.balanceOf(address(this));
        Leg[] memory legs = _legs();
        vm.prank(caller);
        try _market.requestOpen(address(this), legs, 1, 4000e18) {
            assert(false);
        } catch {}
        assert(_token.balanceOf(address(this)) == owned);
    }

    /// @notice Nobody without a grant closes another's position.
    /// @custom:bounds any caller, size, band and premium of 256 bits
    function check_requestClose_needs_the_trader(
        address caller,
        uint256 size,
        uint256 low,
        uint256 high,
        uint256 maxPremium
    ) external {
        vm.assume(caller != address(this));
        vm.prank(caller);
        try _market.requestClose(_position, size, low, high, maxPremium) {
            assert(false);
        } catch {}
        _requireUntouched();
    }

    /// @notice Nobody without a grant asks for more reserve for another's position.
    /// @custom:bounds any caller, amount of 256 bits
    function check_requestRaise_needs_the_trader(address caller, uint256 amount) external {
        vm.assume(caller != address(this));
        vm.prank(caller);
        try _market.requestRaise(_position, amount) {
            assert(false);
        } catch {}
        _requireUntouched();
    }

    /// @notice Nobody without a grant takes margin out of another's position.
    /// @custom:bounds any caller, amount of 256 bits
    function check_removeMargin_needs_the_trader(address caller, uint256 amount) external {
        vm.assume(caller != address(this));
        vm.prank(caller);
        try _market.removeMargin(_position, amount) {
            assert(false);
        } catch {}
        _requireUntouched();
    }

    /// @notice An operator without the bit of an action does not do it: who may close may not take margin out.
    /// @custom:bounds any operator, any actions but removal, any budget, amount of 256 bits
    function check_removeMargin_needs_its_bit(address operator, uint64 actions, uint128 budget, uint256 amount)
        external
    {
        vm.assume(operator != address(this) && actions & 8 == 0);
        _operators.grant(address(_market), operator, IOperators.Grant(type(uint64).max, actions, budget));
        vm.prank(operator);
        try _market.removeMargin(_position, amount) {
            assert(false);
        } catch {}
        _requireUntouched();
    }

    /// @notice A grant that has expired opens nothing.
    /// @custom:bounds any operator, any expiry before now; one leg of 1 unit, margin and reserve of 1,000
    function check_requestOpen_needs_a_grant_in_time(address operator, uint64 expiry) external {
        vm.assume(operator != address(this) && expiry < block.timestamp);
        _operators.grant(address(_market), operator, IOperators.Grant(expiry, type(uint64).max, type(uint128).max));
        Leg[] memory legs = _legs();
        vm.prank(operator);
        try _market.requestOpen(address(this), legs, 1, 4000e18) {
            assert(false);
        } catch {}
    }

    /// @notice A grant whose budget is below the margin opens nothing.
    /// @custom:bounds any operator, any budget below 1,000; one leg of 1 unit, margin and reserve of 1,000
    function check_requestOpen_needs_the_budget(address operator, uint128 budget) external {
        vm.assume(operator != address(this) && budget < MARGIN);
        _operators.grant(address(_market), operator, IOperators.Grant(type(uint64).max, type(uint64).max, budget));
        Leg[] memory legs = _legs();
        vm.prank(operator);
        try _market.requestOpen(address(this), legs, 1, 4000e18) {
            assert(false);
        } catch {}
    }

    // ---------------------------------------------------------------- upkeep

    /// @notice Where nothing was ordered, nobody executes anything.
    /// @custom:bounds any caller, any position; a proof of 32 bytes
    /// @custom:halmos --default-bytes-lengths 32
    function check_execute_needs_an_order(address caller, bytes calldata proof) external {
        vm.prank(caller);
        try _market.execute(_one(_position), proof) {
            assert(false);
        } catch {}
        _requireUntouched();
    }

    /// @notice Whoever calls it, liquidation skips a healthy position.
    /// @custom:bounds any caller, at an unchanged index, 100 seconds after the opening
    function check_liquidate_skips_the_healthy(address caller) external {
        vm.warp(1_000_200);
        vm.prank(caller);
        assert(_market.liquidate(_one(_position)) == 0);
        _requireUntouched();
    }

    /// @notice Whoever calls it, settlement skips a position whose market has not ended.
    /// @custom:bounds any caller
    function check_settle_skips_a_living_market(address caller) external {
        vm.prank(caller);
        assert(_market.settle(_one(_position)) == 0);
        _requireUntouched();
    }

    /// @notice Whoever calls it, a position whose gain has not reached its reserve is not closed for it.
    /// @custom:bounds any caller, at an unchanged index
    function check_closeAtReserve_needs_the_gain(address caller) external {
        vm.warp(1_000_200);
        vm.prank(caller);
        try _market.closeAtReserve(_position) {
            assert(false);
        } catch {}
        _requireUntouched();
    }

    /// @notice Where nothing was refused, nobody claims anything.
    /// @custom:bounds any caller and payee
    function check_claim_needs_a_claim(address caller, address to) external {
        vm.prank(caller);
        try _market.claim(_position, to) {
            assert(false);
        } catch {}
        _requireUntouched();
    }

    /// @notice What is no position of this market has no margin to add to, and none to take.
    /// @custom:bounds any caller, any address but the position's, amount of 256 bits
    function check_strangers_are_no_positions(address caller, address stranger, uint256 amount) external {
        vm.assume(stranger != _position);
        vm.prank(caller);
        try _market.addMargin(stranger, amount) {
            assert(false);
        } catch {}
        vm.prank(caller);
        try _market.removeMargin(stranger, amount) {
            assert(false);
        } catch {}
    }

    /// @notice Added margin raises the margin and the vault's balance by the amount, and nothing else of the position.
    /// @custom:bounds amount of 80 bits
    function check_addMargin_adds_to_the_unit(uint80 amount) external {
        Position memory before = _market.positionOf(_position);
        uint256 held = _token.balanceOf(_position);
        _market.addMargin(_position, amount);
        Position memory current = _market.positionOf(_position);
        assert(current.margin == before.margin + amount && _token.balanceOf(_position) == held + amount);
        assert(current.size == before.size && current.entry == before.entry && current.reserve == before.reserve);
        assert(current.time == before.time && current.funding == before.funding);
    }

    function _legs() private pure returns (Leg[] memory legs) {
        legs = new Leg[](1);
        legs[0] = Leg(0, 1e18, MARGIN, MARGIN, 1e18);
    }

    function _one(address position) private pure returns (address[] memory positions) {
        positions = new address[](1);
        positions[0] = position;
    }

    /// @dev A vault holds margin and reserve, as it did after the opening, and no order waits.
    function _requireUntouched() private view {
        Position memory p = _market.positionOf(_position);
        assert(p.status == Status.Open && p.size == 1e18 && p.reserve == MARGIN);
        assert(_token.balanceOf(_position) == p.margin + p.reserve);
        assert(uint256(_market.orderOf(_position).kind) == 0);
    }
}
