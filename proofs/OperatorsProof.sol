// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOperators} from "../contracts/interfaces/IOperators.sol";
import {Operators} from "../contracts/Operators.sol";
import {vm} from "./Vm.sol";

/// @notice A trader that is a contract and has signed one thing only.
contract Signatory {
    bytes32 public signed;

    function sign(bytes32 digest) external {
        signed = digest;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return digest == signed ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @title Who may act for whom.
contract OperatorsProof {
    address private constant TRADER = address(0x7ade);
    address private constant MARKET = address(0x11);
    address private constant OPERATOR = address(0x0b);

    Operators private _operators;
    Signatory private _signatory;

    function setUp() external {
        _operators = new Operators();
        _signatory = new Signatory();
    }

    /// @notice Who was granted nothing may do nothing, for any trader, at any market.
    /// @custom:bounds any addresses, action and amount of 256 bits, time of 64 bits above zero
    function check_no_grant_no_spend(
        address trader,
        address market,
        address operator,
        uint256 action,
        uint256 amount,
        uint64 time
    ) external {
        vm.assume(time != 0);
        vm.warp(time);
        assert(!_spends(market, trader, operator, action, amount));
    }

    /// @notice A spend needs a grant that has not expired and has the bit of the action.
    /// @custom:bounds any grant, action and amount of 256 bits, time of 64 bits
    function check_spend_stays_in_scope(IOperators.Grant calldata g, uint256 action, uint256 amount, uint64 time)
        external
    {
        _grant(g);
        vm.warp(time);
        if (_spends(MARKET, TRADER, OPERATOR, action, amount)) {
            assert(time <= g.expiry && action < 64 && (g.actions >> action) & 1 == 1);
        }
    }

    /// @notice In scope and within the budget an operator may act: nothing else can refuse it.
    /// @custom:bounds any grant, amount of 128 bits, time of 64 bits
    function check_spend_in_scope_succeeds(IOperators.Grant calldata g, uint8 action, uint128 amount, uint64 time)
        external
    {
        vm.assume(time <= g.expiry && action < 64 && (g.actions >> action) & 1 == 1 && amount <= g.budget);
        _grant(g);
        vm.warp(time);
        assert(_spends(MARKET, TRADER, OPERATOR, action, amount));
    }

    /// @notice A spend is within the budget and takes exactly its amount from it; a budget without a cap stays.
    /// @custom:bounds any grant, action and amount of 256 bits
    function check_spend_takes_from_the_budget(IOperators.Grant calldata g, uint256 action, uint256 amount) external {
        _grant(g);
        vm.warp(1);
        bool spent = _spends(MARKET, TRADER, OPERATOR, action, amount);
        uint256 left = _operators.grantOf(TRADER, MARKET, OPERATOR).budget;
        if (!spent || g.budget == type(uint128).max) assert(left == g.budget);
        else assert(amount <= g.budget && left == g.budget - amount);
    }

    /// @notice A spend leaves the grants of other traders alone.
    /// @custom:bounds any grant, one other trader, amount of 256 bits
    function check_spend_leaves_other_traders_alone(IOperators.Grant calldata g, uint256 amount) external {
        address other = address(0x22);
        vm.prank(other);
        _operators.grant(MARKET, OPERATOR, IOperators.Grant(9, 7, 1000));
        _grant(g);
        vm.warp(1);
        _spends(MARKET, TRADER, OPERATOR, 0, amount);
        IOperators.Grant memory kept = _operators.grantOf(other, MARKET, OPERATOR);
        assert(kept.expiry == 9 && kept.actions == 7 && kept.budget == 1000);
    }

    /// @notice A spend leaves the grants for other markets alone.
    /// @custom:bounds any grant, one other market, amount of 256 bits
    function check_spend_leaves_other_markets_alone(IOperators.Grant calldata g, uint256 amount) external {
        address other = address(0x22);
        vm.prank(TRADER);
        _operators.grant(other, OPERATOR, IOperators.Grant(9, 7, 1000));
        _grant(g);
        vm.warp(1);
        _spends(MARKET, TRADER, OPERATOR, 0, amount);
        IOperators.Grant memory kept = _operators.grantOf(TRADER, other, OPERATOR);
        assert(kept.expiry == 9 && kept.actions == 7 && kept.budget == 1000);
    }

    /// @notice A spend leaves the grants of other operators alone.
    /// @custom:bounds any grant, any other address, amount of 256 bits
    function check_spend_leaves_other_operators_alone(IOperators.Grant calldata g, address other, uint256 amount)
        external
    {
        vm.assume(other != OPERATOR);
        vm.prank(TRADER);
        _operators.grant(MARKET, other, IOperators.Grant(9, 7, 1000));
        _grant(g);
        vm.warp(1);
        _spends(MARKET, TRADER, OPERATOR, 0, amount);
        IOperators.Grant memory kept = _operators.grantOf(TRADER, MARKET, other);
        assert(kept.expiry == 9 && kept.actions == 7 && kept.budget == 1000);
    }

    /// @notice Who grants, grants for itself: another trader's grants stay as they are.
    /// @custom:bounds any grant, any addresses
    function check_grant_is_the_callers_own(
        IOperators.Grant calldata g,
        address caller,
        address trader,
        address market,
        address operator
    ) external {
        vm.assume(caller != trader);
        vm.prank(caller);
        _operators.grant(market, operator, g);
        IOperators.Grant memory other = _operators.grantOf(trader, market, operator);
        IOperators.Grant memory own = _operators.grantOf(caller, market, operator);
        assert(other.expiry == 0 && other.actions == 0 && other.budget == 0);
        assert(own.expiry == g.expiry && own.actions == g.actions && own.budget == g.budget);
    }

    /// @notice A signature is no good after its deadline.
    /// @custom:bounds any grant, deadline and time of 64 bits, a signature of 65 bytes
    /// @custom:halmos --default-bytes-lengths 65
    function check_no_grant_after_the_deadline(
        IOperators.Grant calldata g,
        address trader,
        uint64 deadline,
        uint64 time,
        bytes calldata signature
    ) external {
        vm.assume(time > deadline);
        vm.warp(time);
        try _operators.grantBySignature(trader, MARKET, OPERATOR, g, deadline, signature) {
            assert(false);
        } catch {}
    }

    /// @notice What a contract has not signed is no grant of it.
    /// @custom:bounds any grant and caller, any signature of 65 bytes; the trader is a contract that signed nothing
    /// @custom:halmos --default-bytes-lengths 65
    function check_unsigned_is_no_grant(IOperators.Grant calldata g, address caller, bytes calldata signature)
        external
    {
        vm.prank(caller);
        try _operators.grantBySignature(address(_signatory), MARKET, OPERATOR, g, 99, signature) {
            assert(false);
        } catch {}
        assert(_operators.nonces(address(_signatory)) == 0);
    }

    /// @notice A signature is good once: the same call fails the second time, whoever makes it.
    /// @custom:bounds any grant and caller; the trader is a contract that signed this one grant
    /// @custom:halmos --default-bytes-lengths 65
    function check_signature_is_good_once(IOperators.Grant calldata g, address caller, bytes calldata signature)
        external
    {
        vm.warp(1);
        _signatory.sign(_digest(g, 0));
        _operators.grantBySignature(address(_signatory), MARKET, OPERATOR, g, 99, signature);
        assert(_operators.nonces(address(_signatory)) == 1);
        vm.prank(caller);
        try _operators.grantBySignature(address(_signatory), MARKET, OPERATOR, g, 99, signature) {
            assert(false);
        } catch {}
    }

    /// @notice A revoked nonce makes a signature worthless before it is used.
    /// @custom:bounds any grant and caller; the trader is a contract that signed this one grant
    /// @custom:halmos --default-bytes-lengths 65
    function check_revoked_nonce_is_worthless(IOperators.Grant calldata g, address caller, bytes calldata signature)
        external
    {
        vm.warp(1);
        _signatory.sign(_digest(g, 0));
        vm.prank(address(_signatory));
        _operators.revokeNonce();
        vm.prank(caller);
        try _operators.grantBySignature(address(_signatory), MARKET, OPERATOR, g, 99, signature) {
            assert(false);
        } catch {}
    }

    function _grant(IOperators.Grant calldata g) private {
        vm.prank(TRADER);
        _operators.grant(MARKET, OPERATOR, g);
    }

    function _spends(address market, address trader, address operator, uint256 action, uint256 amount)
        private
        returns (bool)
    {
        vm.prank(market);
        try _operators.spend(trader, operator, action, amount) {
            return true;
        } catch {
            return false;
        }
    }

    function _digest(IOperators.Grant calldata g, uint256 nonce) private view returns (bytes32) {
        bytes32 terms = keccak256(
            abi.encode(
                _operators.GRANT_TYPEHASH(),
                address(_signatory),
                MARKET,
                OPERATOR,
                g.expiry,
                g.actions,
                g.budget,
                nonce,
                99
            )
        );
        return keccak256(abi.encodePacked(hex"1901", _operators.domainSeparator(), terms));
    }
}
