// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {PositionVault} from "../contracts/PositionVault.sol";
import {TokenMock} from "../contracts/mocks/TokenMock.sol";
import {vm} from "./Vm.sol";

/// @title The safe of one position: whom it obeys, whom it pays, and how much.
/// @dev This contract is the market.
contract PositionVaultProof {
    address private constant TRADER = address(0x7ade);
    address private constant POOL = address(0x9001);

    TokenMock private _token;
    PositionVault private _vault;

    function setUp() external {
        _token = new TokenMock(18);
        PositionVault code = new PositionVault(address(this), POOL, IERC20(address(_token)));
        _vault = PositionVault(Clones.cloneWithImmutableArgs(address(code), abi.encodePacked(TRADER)));
    }

    /// @notice Nobody but the market makes a vault pay.
    /// @custom:bounds any caller, amounts of 256 bits
    function check_pay_obeys_the_market_only(address caller, uint256 held, uint256 toTrader, uint256 toPool) external {
        vm.assume(caller != address(this));
        _token.mint(address(_vault), held);
        vm.prank(caller);
        try _vault.pay(toTrader, toPool) {
            assert(false);
        } catch {}
        assert(_token.balanceOf(address(_vault)) == held);
    }

    /// @notice Nobody but the market makes a vault pay a claim.
    /// @custom:bounds any caller and payee, amounts of 256 bits
    function check_claim_obeys_the_market_only(address caller, address to, uint256 held, uint256 amount) external {
        vm.assume(caller != address(this));
        _token.mint(address(_vault), held);
        vm.prank(caller);
        try _vault.claim(to, amount) {
            assert(false);
        } catch {}
        assert(_token.balanceOf(address(_vault)) == held);
    }

    /// @notice The trader is the clone's own, whoever asks.
    /// @custom:bounds any caller
    function check_trader_is_the_clones_own(address caller) external {
        vm.prank(caller);
        assert(_vault.trader() == TRADER);
    }

    /// @notice What a vault pays goes to its trader and its pool to the unit, and to nobody else.
    /// @custom:bounds amounts of 256 bits, any bystander
    function check_pay_reaches_trader_and_pool_only(uint256 held, uint256 toTrader, uint256 toPool, address other)
        external
    {
        vm.assume(other != TRADER && other != POOL && other != address(_vault));
        _token.mint(address(_vault), held);
        (bool traderPaid, bool poolPaid) = _vault.pay(toTrader, toPool);
        assert(_token.balanceOf(TRADER) == (traderPaid ? toTrader : 0));
        assert(_token.balanceOf(POOL) == (poolPaid ? toPool : 0));
        assert(_token.balanceOf(other) == 0);
        unchecked {
            assert(_token.balanceOf(address(_vault)) + _token.balanceOf(TRADER) + _token.balanceOf(POOL) == held);
        }
    }

    /// @notice A vault that holds enough pays both.
    /// @custom:bounds amounts of 255 bits
    function check_pay_pays_what_it_holds(uint256 toTrader, uint256 toPool, uint256 more) external {
        vm.assume(toTrader < 2 ** 254 && toPool < 2 ** 254 && more < 2 ** 254);
        _token.mint(address(_vault), toTrader + toPool + more);
        (bool traderPaid, bool poolPaid) = _vault.pay(toTrader, toPool);
        assert(traderPaid && poolPaid && _token.balanceOf(address(_vault)) == more);
    }

    /// @notice A trader whom the token blocks does not keep the pool from its part; the trader's stays.
    /// @custom:bounds amounts of 255 bits
    function check_blocked_trader_does_not_stop_the_pool(uint256 toTrader, uint256 toPool) external {
        vm.assume(toTrader < 2 ** 255 && toPool < 2 ** 255 && toTrader != 0);
        _token.mint(address(_vault), toTrader + toPool);
        _token.setBlocked(TRADER, true);
        (bool traderPaid, bool poolPaid) = _vault.pay(toTrader, toPool);
        assert(!traderPaid && poolPaid);
        assert(_token.balanceOf(POOL) == toPool && _token.balanceOf(address(_vault)) == toTrader);
    }

    /// @notice A pool whom the token blocks does not keep the trader from its part; the pool's stays.
    /// @custom:bounds amounts of 255 bits
    function check_blocked_pool_does_not_stop_the_trader(uint256 toTrader, uint256 toPool) external {
        vm.assume(toTrader < 2 ** 255 && toPool < 2 ** 255 && toPool != 0);
        _token.mint(address(_vault), toTrader + toPool);
        _token.setBlocked(POOL, true);
        (bool traderPaid, bool poolPaid) = _vault.pay(toTrader, toPool);
        assert(traderPaid && !poolPaid);
        assert(_token.balanceOf(TRADER) == toTrader && _token.balanceOf(address(_vault)) == toPool);
    }

    /// @notice A claim pays its amount to its payee and nobody else, or fails as a whole.
    /// @custom:bounds amounts of 256 bits, any payee and bystander
    function check_claim_pays_its_payee_only(address to, address other, uint256 held, uint256 amount) external {
        vm.assume(to != address(_vault) && other != to && other != address(_vault));
        _token.mint(address(_vault), held);
        try _vault.claim(to, amount) {
            assert(amount <= held && _token.balanceOf(to) == amount);
            assert(_token.balanceOf(address(_vault)) == held - amount);
        } catch {
            assert((amount > held || to == address(0)) && _token.balanceOf(address(_vault)) == held);
        }
        assert(_token.balanceOf(other) == 0);
    }
}
