// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IMarket} from "../contracts/interfaces/IMarket.sol";
import {Flow} from "../contracts/interfaces/IPool.sol";
import {Pool} from "../contracts/Pool.sol";
import {Stage} from "./Stage.sol";
import {vm} from "./Vm.sol";

/// @title The money and the shares of a pool.
/// @dev This contract is the market, and a provider who holds all shares. What a share is worth is (held + 1) / (supply + 1e6).
contract PoolProof is Stage {
    uint256 private constant VIRTUAL_SHARES = 1e6;

    Pool private _pool;

    function setUp() external {
        _pool = new Pool(IMarket(address(this)), _config());
        _token.mint(address(this), type(uint128).max);
        _token.approve(address(_pool), type(uint256).max);
        _pool.deposit(1_000_000e18, address(this));
    }

    // ---------------------------------------------------------------- access

    /// @notice Nobody but the market sets liquidity aside.
    /// @custom:bounds any caller, amounts of 256 bits
    function check_earmark_obeys_the_market_only(address caller, uint256 amount, uint256 size, uint256 high) external {
        vm.assume(caller != address(this));
        vm.prank(caller);
        try _pool.earmark(amount, size, high) {
            assert(false);
        } catch {}
        _requireFunds(0, 1_000_000e18);
    }

    /// @notice Nobody but the market moves a pool's money.
    /// @custom:bounds any caller, any flow
    function check_move_obeys_the_market_only(address caller, Flow calldata flow) external {
        vm.assume(caller != address(this));
        vm.prank(caller);
        try _pool.move(flow) {
            assert(false);
        } catch {}
        _requireFunds(0, 1_000_000e18);
    }

    /// @notice Nobody but the market counts a claim as paid.
    /// @custom:bounds any caller, amount of 256 bits
    function check_collectClaim_obeys_the_market_only(address caller, uint256 amount) external {
        vm.assume(caller != address(this));
        vm.prank(caller);
        try _pool.collectClaim(amount) {
            assert(false);
        } catch {}
        _requireFunds(0, 1_000_000e18);
    }

    /// @notice Without an allowance nobody leaves with another's shares.
    /// @custom:bounds any caller and receiver, shares of 256 bits above zero
    function check_redeem_needs_the_owners_consent(address caller, address receiver, uint256 shares) external {
        vm.assume(caller != address(this) && shares != 0);
        uint256 owned = _pool.balanceOf(address(this));
        vm.prank(caller);
        try _pool.redeem(shares, receiver, address(this)) {
            assert(false);
        } catch {}
        assert(_pool.balanceOf(address(this)) == owned);
    }

    /// @notice Who has nothing waiting in the pool claims nothing.
    /// @custom:bounds any caller and payee
    function check_claimExit_pays_what_waits_only(address caller, address to) external {
        vm.prank(caller);
        try _pool.claimExit(to) {
            assert(false);
        } catch {}
        assert(_token.balanceOf(address(_pool)) == 1_000_000e18);
    }

    /// @notice Who asks to leave asks with own shares.
    /// @custom:bounds any caller who holds none, shares and least of 128 bits
    function check_requestRedeem_takes_own_shares(address caller, uint128 shares, uint128 least) external {
        vm.assume(caller != address(this) && caller != address(_pool));
        uint256 owned = _pool.balanceOf(address(this));
        vm.prank(caller);
        try _pool.requestRedeem(shares, least) {
            assert(false);
        } catch {}
        assert(_pool.balanceOf(address(this)) == owned);
    }

    // ---------------------------------------------------------------- money

    /// @notice An earmark moves idle to committed to the unit, and never more than is idle.
    /// @custom:bounds amount, size and index of 88, 96 and 112 bits
    function check_earmark_moves_idle_to_committed(uint88 amount, uint96 size, uint112 high) external {
        try _pool.earmark(amount, size, high) returns (uint256 committed, uint256 idle, uint256) {
            assert(committed == amount && committed + idle == 1_000_000e18);
            _requireFunds(committed, idle);
        } catch {
            _requireFunds(0, 1_000_000e18);
        }
    }

    /// @notice A flow that no token moves with changes what is committed and idle by its terms, to the unit.
    /// @custom:bounds earmarks and reserves of 80 bits, received of 80 bits
    function check_move_counts_to_the_unit(uint80 freed, uint80 added, uint80 received) external {
        vm.assume(freed <= 500_000e18);
        _pool.earmark(500_000e18, 250e18, 2000e18);
        Flow memory flow;
        (flow.freed, flow.added, flow.received) = (freed, added, received);
        (bool done, uint256 committed, uint256 idle) = _pool.move(flow);
        assert(done && committed == 500_000e18 - uint256(freed) + added);
        assert(idle == 500_000e18 + uint256(freed) + received);
        _requireFunds(committed, idle);
    }

    /// @notice What a pool sends leaves it to the unit, and its count with it.
    /// @custom:bounds sent of 80 bits, up to what is idle
    function check_move_sends_what_it_counts(uint80 sent) external {
        vm.assume(sent <= 1_000_000e18);
        Flow memory flow;
        (flow.vault, flow.sent) = (address(0x7a), sent);
        (bool done,, uint256 idle) = _pool.move(flow);
        assert(done && idle == 1_000_000e18 - uint256(sent) && _token.balanceOf(address(0x7a)) == sent);
        assert(_token.balanceOf(address(_pool)) == idle);
    }

    /// @notice What waits in a vault counts as held until it arrives, and as idle from then on.
    /// @custom:bounds claim of 80 bits, any part of it
    function check_claims_become_idle(uint80 unpaid, uint80 arrived) external {
        vm.assume(unpaid != 0 && arrived <= unpaid);
        Flow memory flow;
        flow.unpaid = unpaid;
        _pool.move(flow);
        assert(_pool.totalAssets() == 1_000_000e18 + uint256(unpaid));
        _pool.collectClaim(arrived);
        assert(_pool.totalAssets() == 1_000_000e18 + uint256(unpaid));
        _requireFunds(0, 1_000_000e18 + uint256(arrived));
    }

    // ---------------------------------------------------------------- shares

    /// @notice A deposit makes those who are in no poorer: it gets no more shares than its money is worth.
    /// @custom:bounds deposit of 64 bits, into a pool that earned 0 to 2^64 units
    function check_deposit_dilutes_nobody(uint64 assets, uint64 earned) external {
        (uint256 held, uint256 supply) = _earn(earned);
        vm.assume(assets != 0);
        _assumeFloor(assets, supply + VIRTUAL_SHARES, held + 1);
        uint256 shares = _pool.previewDeposit(assets);
        unchecked {
            assert(shares * (held + 1) <= assets * (supply + VIRTUAL_SHARES));
        }
    }

    /// @notice Shares that are bought cost no less than they are worth.
    /// @custom:bounds shares of 64 bits, of a pool that earned 0 to 2^64 units
    function check_mint_dilutes_nobody(uint64 shares, uint64 earned) external {
        (uint256 held, uint256 supply) = _earn(earned);
        _assumeCeiling(shares, held + 1, supply + VIRTUAL_SHARES);
        uint256 assets = _pool.previewMint(shares);
        unchecked {
            assert(assets * (supply + VIRTUAL_SHARES) >= shares * (held + 1));
        }
    }

    /// @notice Who leaves takes no more than the shares are worth: those who stay are no poorer.
    /// @custom:bounds shares of 64 bits, of a pool that earned 0 to 2^64 units
    function check_redeem_takes_no_more(uint64 shares, uint64 earned) external {
        (uint256 held, uint256 supply) = _earn(earned);
        _assumeFloor(shares, held + 1, supply + VIRTUAL_SHARES);
        uint256 assets = _pool.previewRedeem(shares);
        unchecked {
            assert(assets * (supply + VIRTUAL_SHARES) <= shares * (held + 1));
        }
    }

    /// @notice Who withdraws an amount gives up no fewer shares than it is worth.
    /// @custom:bounds amount of 64 bits, from a pool that earned 0 to 2^64 units
    function check_withdraw_costs_no_less(uint64 assets, uint64 earned) external {
        (uint256 held, uint256 supply) = _earn(earned);
        _assumeCeiling(assets, supply + VIRTUAL_SHARES, held + 1);
        uint256 shares = _pool.previewWithdraw(assets);
        unchecked {
            assert(shares * (held + 1) >= assets * (supply + VIRTUAL_SHARES));
        }
    }

    /// @notice While an order is pending nobody leaves at once.
    /// @custom:bounds shares of 256 bits
    function check_no_exit_at_once_while_busy(uint256 shares) external {
        _pool.earmark(100e18, 1e18, 2000e18);
        try _pool.redeem(shares, address(this), address(this)) {
            assert(false);
        } catch {}
        assert(_pool.maxRedeem(address(this)) == 0);
    }

    /// @notice A donation changes neither what a pool counts nor what a share costs.
    /// @custom:bounds donation of 96 bits
    function check_donation_belongs_to_nobody(uint96 donated) external {
        uint256 cost = _pool.previewMint(1e18);
        _token.transfer(address(_pool), donated);
        assert(_pool.totalAssets() == 1_000_000e18 && _pool.previewMint(1e18) == cost);
    }

    function _earn(uint256 earned) private returns (uint256 held, uint256 supply) {
        Flow memory flow;
        flow.received = earned;
        _pool.move(flow);
        return (_pool.totalAssets(), _pool.totalSupply());
    }

    /// @dev What a division means, for these factors, whose product fits in a word: the solver leaves them open.
    function _assumeFloor(uint256 a, uint256 b, uint256 c) private pure {
        unchecked {
            uint256 product = a * b;
            vm.assume(mulmod(a, b, type(uint256).max) == product && product / c * c <= product);
        }
    }

    /// @dev The same of one that is rounded up: where a rest is left, one more is enough.
    function _assumeCeiling(uint256 a, uint256 b, uint256 c) private pure {
        unchecked {
            uint256 product = a * b;
            vm.assume(mulmod(a, b, type(uint256).max) == product && (product / c + 1) * c >= product);
            vm.assume(mulmod(a, b, c) != 0 || product / c * c == product);
        }
    }

    function _requireFunds(uint256 committed, uint256 idle) private view {
        (uint256 counted, uint256 free) = _pool.liquidity();
        assert(counted == committed && free == idle);
    }
}
