// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {IOperators} from "../../contracts/interfaces/IOperators.sol";
import {IOracle} from "../../contracts/interfaces/IOracle.sol";
import {Flow, IPool} from "../../contracts/interfaces/IPool.sol";
import {IPositionVault} from "../../contracts/interfaces/IPositionVault.sol";
import {Calls} from "./Calls.sol";
import {Action, Call} from "./Properties.sol";
import {vm} from "./Vm.sol";

/// @title Steps with everything but positions: liquidity, the world around, grants, the oracle, trespassers.
abstract contract OtherHandlers is Calls {
    // ---------------------------------------------------------------- liquidity

    function requestRedeem(uint256 word) external step {
        Rng memory rng = Rng(word);
        address owner = _next(rng, 3) == 0 ? GUEST : PROVIDER;
        uint256 part = _next(rng, 16) == 0 ? 1 : [3, 10, 20, 50, 100][_next(rng, 5)];
        uint256 asked = pool.balanceOf(owner) / part + (_chance(rng, 10) ? 1 : 0);
        if (_next(rng, 3) == 0) asked = 1e6;
        uint256 least = asked / 1e6 * [uint256(0), 0, 0, 1, 2, 3][_next(rng, 6)] / 2;
        _pool(Call.RequestRedeem, owner, abi.encodeCall(IPool.requestRedeem, (asked, least)));
    }

    function executeExit(uint256 word) external step {
        Rng memory rng = Rng(word);
        (, uint256 first) = pool.exitOf(0);
        (IPool.Exit memory exit,) = pool.exitOf(first);
        bytes memory proof;
        if (exit.owner != address(0)) {
            uint256 time = exit.requestedAt + config.delay;
            if (_firstProof(time).length == 0 && _chance(rng, 80)) {
                _wait(13);
                _push(price);
                _wait(13);
            }
            proof = _firstProof(time);
        }
        _pool(Call.ExecuteExit, KEEPER, abi.encodeCall(IPool.executeExit, (proof)));
    }

    function claimExit(uint256 word) external step {
        if (_kept(PROVIDER) + _kept(GUEST) == 0) return;
        _pool(Call.ClaimExit, PROVIDER, abi.encodeCall(IPool.claimExit, (word % 2 == 0 ? PROVIDER : GUEST)));
    }

    function enter(uint256 word) external step {
        Rng memory rng = Rng(word);
        address who = _provider(rng);
        if (_chance(rng, 60)) {
            uint256 some = _next(rng, 1e6 * TOKEN);
            uint256 amount = [0, 1, some, some, some, 2 ** 87, ANY][_next(rng, 7)];
            _pool(Call.Deposit, who, abi.encodeCall(IERC4626.deposit, (amount, who)));
        } else {
            uint256 amount = [0, 1, _next(rng, 1e12 * TOKEN)][_next(rng, 3)];
            _pool(Call.Mint, who, abi.encodeCall(IERC4626.mint, (amount, who)));
        }
    }

    function leave(uint256 word) external step {
        Rng memory rng = Rng(word);
        address who = _provider(rng);
        address sender = _chance(rng, 90) ? who : KEEPER;
        if (_chance(rng, 50)) {
            uint256 amount = pool.balanceOf(who) / 10 + 1;
            _pool(Call.Redeem, sender, abi.encodeCall(IERC4626.redeem, (amount, who, who)));
        } else {
            _pool(Call.Withdraw, sender, abi.encodeCall(IERC4626.withdraw, (_next(rng, 1e5 * TOKEN), who, who)));
        }
    }

    /// @dev Shares change hands, by their owner or by whom it allows.
    function shares(uint256 word) external step {
        Rng memory rng = Rng(word);
        uint256 held = pool.balanceOf(PROVIDER);
        uint256 value = [0, 1, held / 100, held + 1][_next(rng, 4)];
        uint256 kind = _next(rng, 3);
        if (kind == 0) _pool(Call.Other, PROVIDER, abi.encodeCall(IERC20.transfer, (GUEST, value)));
        else if (kind == 1) _pool(Call.Other, PROVIDER, abi.encodeCall(IERC20.approve, (GUEST, value)));
        else _pool(Call.Other, GUEST, abi.encodeCall(IERC20.transferFrom, (PROVIDER, GUEST, value)));
    }

    // ---------------------------------------------------------------- the world around

    function move(uint256 word) external step {
        _move(Rng(word));
    }

    function trend(uint256 word) external step {
        Rng memory rng = Rng(word);
        uint256 part = [9_200, 9_600, 10_400, 10_800][_next(rng, 4)];
        for (uint256 n = 1 + _next(rng, 3); n > 0; --n) {
            _wait(60);
            _push(price * part / 10_000);
        }
    }

    function idle(uint256 word) external step {
        Rng memory rng = Rng(word);
        _wait([1, 12, 600, HEARTBEAT - 100, HEARTBEAT + 1, 4_000][_next(rng, 6)]);
        if (_chance(rng, 70)) _push(price);
    }

    function blockPayee(uint256 word) external step {
        Rng memory rng = Rng(word);
        if (blocked != address(0)) {
            token.setBlocked(blocked, false);
            blocked = address(0);
            return;
        }
        if (_chance(rng, 50)) return;
        uint256 last = vaults.length < 2 ? vaults.length : 2;
        uint256 i = _next(rng, 6 + last);
        blocked = i < 6 ? _holder(i) : vaults[vaults.length - 1 - (i - 6)];
        token.setBlocked(blocked, true);
    }

    function donate(uint256 word) external step {
        Rng memory rng = Rng(word);
        uint256 last = vaults.length < 3 ? vaults.length : 3;
        uint256 i = _next(rng, 1 + last);
        address to = i == 0 ? address(pool) : vaults[vaults.length - i];
        if (to == blocked) return;
        uint256 amount = [1, 1e6, 1e3 * TOKEN][_next(rng, 3)];
        token.mint(to, amount);
        if (i != 0 && !_isWatched(to)) rest += amount;
        donated = true;
    }

    // ---------------------------------------------------------------- whoever else may be called

    function grant(uint256 word) external step {
        Rng memory rng = Rng(word);
        address trader = _chance(rng, 50) ? TRADER : OTHER;
        uint64 expiry = uint64(clock + (_chance(rng, 50) ? 10_000 : 0));
        uint128 budget = _chance(rng, 50) ? type(uint128).max : 1e10;
        IOperators.Grant memory terms = IOperators.Grant(expiry, uint64(_next(rng, 16)), budget);
        uint256 kind = _next(rng, 8);
        if (kind == 0) {
            _operators(trader, abi.encodeCall(IOperators.revokeNonce, ()));
        } else if (kind == 1) {
            // a signature that is none
            uint256 deadline = clock - _next(rng, 2);
            bytes memory signature = new bytes(65);
            _operators(
                GUEST,
                abi.encodeCall(
                    IOperators.grantBySignature, (trader, address(market), GUEST, terms, deadline, signature)
                )
            );
        } else if (kind == 2) {
            // by whom no market stands behind
            _operators(GUEST, abi.encodeCall(IOperators.spend, (trader, GUEST, _next(rng, 5), _next(rng, 2))));
        } else {
            _operators(trader, abi.encodeCall(IOperators.grant, (address(market), GUEST, terms)));
            granted[trader] = true;
        }
    }

    function _operators(address sender, bytes memory data) private {
        Action memory a;
        (a.call, a.sender) = (Call.Other, sender);
        _do(a, address(operators), data);
    }

    function checkOutage(uint256) external step {
        Action memory a;
        (a.call, a.sender) = (Call.Other, KEEPER);
        _do(a, address(oracle), abi.encodeCall(IOracle.checkOutage, ()));
        (over,,) = oracle.finalPrice();
    }

    /// @dev What only a market may call, by anybody else; not counted as a call.
    function trespass(uint256 word) external step {
        Rng memory rng = Rng(word);
        address sender = _actor(_next(rng, 5));
        Flow memory flow;
        (flow.vault, flow.keeper) = (sender, sender);
        bytes[5] memory forbidden = [
            abi.encodeCall(IPool.earmark, (0, 0, 0)),
            abi.encodeCall(IPool.move, (flow)),
            abi.encodeCall(IPool.collectClaim, (1)),
            abi.encodeCall(IPositionVault.pay, (1, 1)),
            abi.encodeCall(IPositionVault.claim, (sender, 1))
        ];
        bool vault = vaults.length != 0 && _chance(rng, 40);
        bytes memory data = forbidden[vault ? 3 + _next(rng, 2) : _next(rng, 3)];
        address part = vault ? vaults[_next(rng, vaults.length)] : address(pool);
        vm.prank(sender);
        (bool done,) = part.call(data);
        require(!done, "PERM-1");
    }
}
