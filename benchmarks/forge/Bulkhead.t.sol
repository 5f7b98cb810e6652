// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {MarketHandlers} from "./MarketHandlers.sol";
import {OtherHandlers} from "./OtherHandlers.sol";
import {Vault} from "./State.sol";
import {FuzzSelector, vm} from "./Vm.sol";

/// @title The steps of bulkhead/fuzz/machine.py as forge's handlers, as likely as there, and the properties of
/// bulkhead/invariants.py after every call.
contract BulkheadTest is MarketHandlers, OtherHandlers {
    function setUp() external {
        _deploy();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(this);
    }

    function targetSenders() external pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = KEEPER;
    }

    /// @dev As often as in the other fuzzer.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[27] memory names = [
            this.requestOpen.selector,
            this.execute.selector,
            this.move.selector,
            this.trend.selector,
            this.idle.selector,
            this.requestClose.selector,
            this.addMargin.selector,
            this.removeMargin.selector,
            this.liquidate.selector,
            this.atTheEdge.selector,
            this.closeAtReserve.selector,
            this.requestRaise.selector,
            this.requestRedeem.selector,
            this.executeExit.selector,
            this.enter.selector,
            this.leave.selector,
            this.shares.selector,
            this.claim.selector,
            this.claimExit.selector,
            this.blockPayee.selector,
            this.donate.selector,
            this.settle.selector,
            this.grant.selector,
            this.tooLate.selector,
            this.atTheBound.selector,
            this.trespass.selector,
            this.checkOutage.selector
        ];
        uint8[27] memory weights = [11, 30, 8, 1, 1, 8, 9, 9, 4, 2, 4, 9, 4, 4, 6, 1, 4, 4, 1, 2, 1, 1, 4, 1, 1, 1, 1];
        uint256 total;
        for (uint256 i; i < names.length; ++i) {
            total += weights[i];
        }
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(this), new bytes4[](total));
        for (uint256 i; i < names.length; ++i) {
            for (uint256 n; n < weights[i]; ++n) {
                targets[0].selectors[--total] = names[i];
            }
        }
    }

    /// @dev Every property is looked at in `_do`, where the state has been read already: to read it once more here, as is usual,
    /// would only be slower. Forge wants an invariant to run handlers at all.
    function invariant_everything() external view {}

    /// @dev What is over has not changed, and the counts of the run.
    function afterInvariant() external {
        uint256 left;
        for (uint256 i; i < vaults.length; ++i) {
            if (_isWatched(vaults[i])) continue;
            Vault memory v = _vault(vaults[i]);
            require(v.state | v.terms | v.order | v.claims == 0, "ORD-2");
            left += v.balance;
        }
        require(left == rest, "SAFE-3");
        string memory counts = string.concat(vm.toString(calls), " ", vm.toString(succeeded));
        counts = string.concat(counts, " ", vm.toString(steps), " ", vm.toString(alives));
        vm.writeLine(vm.envString("BENCH_COUNTS"), counts);
    }
}
