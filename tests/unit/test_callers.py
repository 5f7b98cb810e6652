"""Who may call what: every function that changes state, called by every kind of caller (PERM-1).

One row of `ROWS` holds a function, what must have happened before, good arguments, who may, and what the others are
told. Callers with code speak too, as if somebody had taken them over, with tokens and allowances of their own. A new
function without a row fails `test_every_function_has_a_row`. A refused call changes nothing, an allowed one something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

from bulkhead.build import artifacts
from bulkhead.chain import Contract, Revert, RevmChain, to_address
from bulkhead.chain.address import to_bytes
from tests.world import MAX, ONE, PRICE, World

CONTRACTS = (
    "Market",
    "Pool",
    "PositionVault",
    "Factory",
    "Cradle",
    "Operators",
    "Oracle",
    "Perpetual",
    "FixedMargin",
    "VolatilityFeed",
    "VolatilityMargin",
    "Lens",
    "Upkeep",
    "KeeperAdapter",
)
OPEN, CLOSE, RAISE, REMOVE = range(4)  # actions of a grant
EVERY_ACTION = 0b1111
TOKEN = 10**6
SHARE = 10**12  # a token's worth of shares
GIFT = 10**6 * TOKEN  # to each caller

OPERATOR, OUT_OF_SCOPE, EXPIRED = "operator", "operator out of scope", "expired operator"
#: Everybody who calls. The keeper is a stranger, the contract a wallet that has nothing to do with the market.
CALLERS = (
    "trader",
    OPERATOR,
    OUT_OF_SCOPE,
    EXPIRED,
    "keeper",
    "provider",
    "pool",
    "market",
    "vault",
    "neighbour's vault",
    "other market",
    "factory",
    "token",
    "contract",
)
EVERYBODY = frozenset(CALLERS)
TRADER = frozenset({"trader", OPERATOR})  # or who may act for it
MARKET = frozenset({"market"})
PROVIDER = frozenset({"provider"})

Error = tuple[str, tuple[Any, ...]]  # name and values


def mouthpiece(code: bytes, original: str) -> bytes:
    """Code that does what `original` does; called with ether, it calls the address in front of the data with the rest.

    So a contract can be the caller of a call that needs its own code too. Bytes 45 to 64 stay: a clone's trader.
    """
    keep = b"\x5b" * 44 + b"\x73" + code[45:65].ljust(20, b"\0") + b"\x50"  # JUMPDEST .., PUSH20 trader, POP
    speak = len(keep) + 4 + 34
    end = speak + 22
    parts = (
        f"34 60{speak:02x} 57",  # with ether: speak
        f"365f5f37 5f5f365f 73{original[2:]} 5af4 60{end:02x} 56",  # delegate all to the original
        "5b 60143603 80 6014 5f 37 5f5f825f5f 5f3560601c 5af1",  # speak: call the first 20 bytes with the rest
        f"5b 3d5f5f3e 60{end + 11:02x} 57 3d5ffd 5b 3d5ff3",  # end: answer, or fail, as it did
    )
    return keep + bytes.fromhex("".join(parts))


class Stage(World):
    """The world with a position, its neighbour, grants, and everybody ready to call."""

    def __init__(self) -> None:
        super().__init__(RevmChain())
        chain, deployment = self.chain, self.deployment
        self.market, self.pool = self.perpetual.market, self.perpetual.pool
        self.operators, self.factory = deployment.operators, deployment.factory
        self.position = self.open()
        self.neighbour = self.open(trader=self.other, margin=20_000, reserve=20_000)
        self.vault = deployment.at("PositionVault", self.position)
        self.cradle = deployment.at("Cradle", self.birthplace())
        # its fourth creation: market, pool and vault were the first
        self.next_of_cradle = to_address(keccak(b"\xd6\x94" + to_bytes(self.cradle.address) + b"\4")[12:])
        self.contracts = {"Market": self.market, "Pool": self.pool, "PositionVault": self.vault}
        self.contracts |= {"Factory": self.factory, "Cradle": self.cradle}
        self.contracts |= {"Operators": self.operators, "Oracle": self.oracle, "Upkeep": deployment.deploy("Upkeep")}
        config, feeds = self.perpetual.config, [self.feed.proxy.address]
        adapter = deployment.deploy("KeeperAdapter", self.factory.address, config, feeds, self.provider)
        self.contracts["KeeperAdapter"] = adapter
        self.volatility = deployment.volatility_feed(self.oracle)
        self.contracts["VolatilityFeed"] = self.volatility
        contract = deployment.deploy("WalletMock")
        at = {"trader": self.trader, "keeper": self.keeper, "provider": self.provider}
        at |= {name: chain.new_account(name) for name in (OPERATOR, OUT_OF_SCOPE, EXPIRED)}
        at |= {"pool": self.pool.address, "market": self.market.address, "vault": self.position}
        at |= {"neighbour's vault": self.neighbour, "other market": self.dated.market.address}
        at |= {"factory": self.factory.address, "token": self.token.address, "contract": contract.address}
        self.at = {name: to_address(at[name]) for name in CALLERS}
        self.signer = Account.from_key(b"\7" * 32)
        for name in CALLERS:
            self.make_ready(name)
        self.grant(OPERATOR, self.market, EVERY_ACTION)
        self.grant(OUT_OF_SCOPE, self.market, 1 << 63)  # an action that no market knows
        self.grant(OUT_OF_SCOPE, self.dated.market, EVERY_ACTION)
        self.grant(EXPIRED, self.market, EVERY_ACTION, expiry=chain.timestamp)
        self.wait(1)

    def birthplace(self) -> str:
        """The cradle of the perpetual market: its address follows from the configuration."""
        config = self.factory.encode.createMarket(self.perpetual.config)[4:]
        salt, code = keccak(config), keccak(artifacts()["Cradle"].bytecode)
        return to_address(keccak(b"\xff" + to_bytes(self.factory.address) + salt + code)[12:])

    def make_ready(self, caller: str) -> None:
        """A mouth for who has code; tokens and allowances for everybody."""
        where = self.at[caller]
        if code := self.chain.code(where):
            original = self.chain.new_account(f"code of {caller}")
            self.chain.set_code(original, code)
            self.chain.set_code(where, mouthpiece(code, original))
        self.token.send.mint(where, GIFT)
        for spender in (self.market, self.pool):
            self.say(caller, self.token, "approve", spender.address, 2**256 - 1)

    def grant(self, operator: str, market: Contract, actions: int, expiry: int = 2**63) -> None:
        """The trader's leave."""
        terms = (expiry, actions, GIFT)
        self.operators.send.grant(market.address, self.at[operator], terms, sender=self.trader)

    def say(self, caller: str, contract: Contract, function: str, *args: Any) -> None:
        """A call by anybody, with code or without."""
        data = getattr(contract.encode, function)(*args)
        where = self.at[caller]
        if self.chain.code(where):
            self.chain.send(where, to_bytes(contract.address) + data, sender=self.chain.accounts[0], value=1)
        else:
            self.chain.send(contract.address, data, sender=where)

    def state(self) -> Any:
        """All that a call might change."""
        accounts = [*self.at.values(), self.other, self.dated.pool.address, self.signer.address]
        positions = [self.position, self.neighbour]
        return (
            [self.token.call.balanceOf(account) for account in accounts],
            [
                (m.market.call.positionOf(p), m.market.call.orderOf(p), m.market.call.claimable(p))
                for m in (self.perpetual, self.dated)
                for p in positions
            ],
            [
                (
                    m.market.call.seriesOf(0),
                    m.market.call.liveSeries(),
                    m.pool.call.liquidity(),
                    m.pool.call.lastIndex(),
                )
                for m in (self.perpetual, self.dated)
            ],
            (self.pool.call.totalSupply(), self.pool.call.dueExits(), self.pool.call.exitOf(0)),
            self.volatility.call.state(),
            [self.pool.call.balanceOf(account) for account in accounts],
            [self.pool.call.allowance(account, self.at["contract"]) for account in accounts],
            [
                self.operators.call.grantOf(account, market.address, self.at[operator])
                for account in accounts
                for market in (self.market, self.dated.market)
                for operator in (OPERATOR, OUT_OF_SCOPE, EXPIRED)
            ],
            [self.operators.call.nonces(account) for account in accounts],
            self.factory.call.marketCount(),
            (self.oracle.call.finalPrice(), self.oracle.call.clock(), self.oracle.call.last()),
            self.chain.code(self.next_of_cradle),
        )


# --- what must have happened before


def nothing(s: Stage) -> None:
    """The position is open, its price unchanged."""


def order_due(s: Stage) -> None:
    """A close of the position has its first price."""
    s.market.send.requestClose(s.position, 10 * ONE, 0, 0, MAX, sender=s.trader)
    s.price(PRICE)


def under_water(s: Stage) -> None:
    """The position can be liquidated."""
    s.walk_to(PRICE * 91 // 100)


def far_up(s: Stage) -> None:
    """The gain has reached the reserve."""
    s.walk_to(PRICE * 13 // 10)


def silence(s: Stage) -> None:
    """The feed has been silent beyond the price's age."""
    s.wait(4_000)


def ended(s: Stage) -> None:
    """The outage clock has run out."""
    for _ in range(26):
        s.wait(3_700)
        s.oracle.send.checkOutage()
    assert s.oracle.call.finalPrice()[0]


def point_due(s: Stage) -> None:
    """A price after the next grid time of the volatility feed."""
    s.chain.set_time(s.volatility.call.due().time)
    s.price(PRICE)


def closed_while_blocked(s: Stage) -> None:
    """The token refused to pay the trader and the pool; now it would."""
    order_due(s)
    for address in (s.trader, s.pool.address):
        s.token.send.setBlocked(address, True)
    s.execute(s.position, s.proof())
    for address in (s.trader, s.pool.address):
        s.token.send.setBlocked(address, False)


def quiet(s: Stage) -> None:
    """Nothing is open; the provider lets the contract move its shares."""
    for position, trader in ((s.position, s.trader), (s.neighbour, s.other)):
        s.market.send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=trader)
    proof = s.price(PRICE)
    for position in (s.position, s.neighbour):
        s.execute(position, proof)
    shares_lent(s)


def shares_lent(s: Stage) -> None:
    """The provider lets the contract move its shares."""
    s.pool.send.approve(s.at["contract"], 2**256 - 1, sender=s.provider)


def exit_due(s: Stage) -> None:
    """The provider's exit has its first price."""
    s.pool.send.requestRedeem(100 * SHARE, 0, sender=s.provider)
    s.price(PRICE)


def exit_kept(s: Stage) -> None:
    """The token refused to pay the provider; now it would."""
    exit_due(s)
    s.token.send.setBlocked(s.provider, True)
    s.pool.send.executeExit(s.proof(), sender=s.keeper)
    s.token.send.setBlocked(s.provider, False)


# --- what the others are told

Refusal = Callable[[Stage, str], Error]


def out_of_scope(action: int) -> Refusal:
    """No grant of the trader allows it; the expiry is that of the grant there is."""

    def told(s: Stage, caller: str) -> Error:
        grant = s.operators.call.grantOf(s.trader, s.market.address, s.at[caller])
        return "OutOfScope", (s.trader, s.at[caller], action, grant.expiry)

    return told


def no_grant_for_caller(s: Stage, caller: str) -> Error:
    """To the operators' registry, whoever calls is a market, and meets grants for itself only."""
    expiry = s.operators.call.grantOf(s.trader, s.at[caller], s.at[OPERATOR]).expiry
    return "OutOfScope", (s.trader, s.at[OPERATOR], OPEN, expiry)


def not_market(s: Stage, caller: str) -> Error:
    return "NotMarket", (s.at[caller],)


def not_factory(s: Stage, caller: str) -> Error:
    return "NotFactory", (s.at[caller],)


def not_trader(s: Stage, caller: str) -> Error:
    return "NotTrader", (s.at[caller], s.trader)


def nothing_to_redeem(s: Stage, caller: str) -> Error:
    return "NothingToRedeem", ()


def no_shares(amount: int) -> Refusal:
    """The caller's own shares are meant, and it has none."""
    return lambda s, caller: ("ERC20InsufficientBalance", (s.at[caller], 0, amount))


def no_allowance(amount: int) -> Refusal:
    """The provider's shares are meant."""
    return lambda s, caller: ("ERC20InsufficientAllowance", (s.at[caller], 0, amount))


def not_pulled(s: Stage, caller: str) -> Error:
    """This oracle is on a push feed; where there is Pyth, everybody may."""
    return "NotPulled", (0,)


def came_from_itself(s: Stage, caller: str) -> Error:
    """A vault pays margin to itself: nothing arrives."""
    held = s.balance(s.position)
    return "TransferShort", (held, held + 100 * TOKEN)


def cost(s: Stage) -> int:
    """Token units of 100 shares' entry."""
    return int(s.pool.call.previewMint(100 * SHARE))


def entered_from_itself(s: Stage, caller: str) -> Error:
    """A pool enters itself: nothing arrives."""
    return "TransferShort", (0, cost(s))


def exit_not_lent(s: Stage, caller: str) -> Error:
    """The provider's shares are meant, as many as 100 tokens cost."""
    return no_allowance(s.pool.call.previewWithdraw(100 * TOKEN))(s, caller)


def nobody(s: Stage, caller: str) -> Error:
    raise AssertionError(f"{caller} is refused by a function that is everybody's")


# --- arguments


def leg(s: Stage) -> dict[str, int]:
    return s.leg(10 * ONE, 2_000, 5_000)


def outage_step(s: Stage) -> tuple[str, int, bytes]:
    """What a keeper's contract may do like anybody."""
    return s.oracle.address, 0, s.oracle.encode.checkOutage()


def work(s: Stage) -> bytes:
    """What a keeper's network may send: the order that is due."""
    return encode(["((address,bytes)[],address[])"], [([(s.position, s.proof())], [])])


def flow(s: Stage) -> dict[str, Any]:
    """Some tokens of the pool to the keeper."""
    names = (
        "freed",
        "added",
        "released",
        "vault",
        "sent",
        "received",
        "unpaid",
        "keeper",
        "keeperFee",
        "ended",
        "index",
    )
    return {**dict.fromkeys(names, 0), "vault": s.position, "sent": TOKEN, "keeper": s.keeper, "keeperFee": TOKEN}


def terms(s: Stage) -> tuple[int, int, int]:
    return s.chain.timestamp + 1_000, EVERY_ACTION, 1_234


def permit(s: Stage) -> tuple[Any, ...]:
    """A grant that its trader has signed."""
    names = ("trader", "market", "operator", "expiry", "actions", "budget", "nonce", "deadline")
    types = ("address",) * 3 + ("uint64", "uint64", "uint128", "uint256", "uint256")
    fields = [{"name": name, "type": kind} for name, kind in zip(names, types, strict=True)]
    deadline = s.chain.timestamp + 100
    parts = (s.signer.address, s.market.address, s.at[OPERATOR])
    message = dict(zip(names, (*parts, *terms(s), 0, deadline), strict=True))
    domain = {"name": "Bulkhead Operators", "version": "1", "chainId": s.chain.chain_id}
    domain["verifyingContract"] = s.operators.address
    signed = s.signer.sign_message(encode_typed_data(domain, {"Grant": fields}, message))
    return (*parts, terms(s), deadline, bytes(signed.signature))


class Row(NamedTuple):
    """A function, what was before, good arguments, who may call it, and what the others are told."""

    function: str
    before: Callable[[Stage], None]
    args: Callable[[Stage], tuple[Any, ...]]
    allowed: frozenset[str]
    refusal: Refusal = nobody


LENT = PROVIDER | {"contract"}
OTHERS = EVERYBODY - {"pool"}

# fmt: off
ROWS = (
    # the trader's funds: the trader, or an operator within its scope
    Row("Market.requestOpen", nothing, lambda s: (s.trader, [leg(s)], PRICE, PRICE * 2), TRADER, out_of_scope(OPEN)),
    Row("Market.requestClose", nothing, lambda s: (s.position, 5 * ONE, 0, 0, MAX), TRADER, out_of_scope(CLOSE)),
    Row("Market.requestRaise", nothing, lambda s: (s.position, 100 * TOKEN), TRADER, out_of_scope(RAISE)),
    Row("Market.removeMargin", nothing, lambda s: (s.position, 100 * TOKEN), TRADER, out_of_scope(REMOVE)),
    Row("Market.claim", closed_while_blocked, lambda s: (s.position, s.other), frozenset({"trader"}), not_trader),
    # upkeep, and gifts: everybody
    Row("Market.claim", closed_while_blocked, lambda s: (s.position, s.trader), EVERYBODY),
    Row("Market.addMargin", nothing, lambda s: (s.position, 100 * TOKEN), EVERYBODY - {"vault"}, came_from_itself),
    Row("Market.execute", order_due, lambda s: ([s.position], s.proof()), EVERYBODY),
    Row("Market.liquidate", under_water, lambda s: ([s.position],), EVERYBODY),
    Row("Market.closeAtReserve", far_up, lambda s: (s.position,), EVERYBODY),
    Row("Market.settle", ended, lambda s: ([s.position],), EVERYBODY),
    Row("Oracle.checkOutage", silence, lambda s: (), EVERYBODY),
    Row("Oracle.prove", nothing, lambda s: (0, 1, []), frozenset(), not_pulled),
    Row("Upkeep.run", silence, lambda s: ([outage_step(s)], []), EVERYBODY),
    Row("KeeperAdapter.performUpkeep", order_due, lambda s: (work(s),), EVERYBODY),
    Row("VolatilityFeed.update", point_due, lambda s: (s.proof(),), EVERYBODY),
    Row("VolatilityFeed.skip", lambda s: s.wait(8 * 3_600), lambda s: (), EVERYBODY),
    Row("Factory.createMarket", nothing, lambda s: ({**s.perpetual.config, "delay": 13},), EVERYBODY),
    # liquidity: in with one's own tokens, out with one's own shares
    Row("Pool.deposit", nothing, lambda s: (cost(s), s.keeper), OTHERS, entered_from_itself),
    Row("Pool.depositAtLeast", nothing, lambda s: (cost(s), s.keeper, 0), OTHERS, entered_from_itself),
    Row("Pool.mint", nothing, lambda s: (100 * SHARE, s.keeper), OTHERS, entered_from_itself),
    Row("Pool.redeem", quiet, lambda s: (100 * SHARE, s.keeper, s.provider), LENT, no_allowance(100 * SHARE)),
    Row("Pool.withdraw", quiet, lambda s: (100 * TOKEN, s.keeper, s.provider), LENT, exit_not_lent),
    Row("Pool.requestRedeem", nothing, lambda s: (100 * SHARE, 0), PROVIDER, no_shares(100 * SHARE)),
    Row("Pool.executeExit", exit_due, lambda s: (s.proof(),), EVERYBODY),
    Row("Pool.claimExit", exit_kept, lambda s: (s.other,), PROVIDER, nothing_to_redeem),
    Row("Pool.approve", nothing, lambda s: (s.at["contract"], 7), EVERYBODY),
    Row("Pool.transfer", nothing, lambda s: (s.other, 7), PROVIDER, no_shares(7)),
    Row("Pool.transferFrom", shares_lent, lambda s: (s.provider, s.other, 7), frozenset({"contract"}), no_allowance(7)),
    # parts that obey the market, and what obeys the factory
    Row("Pool.earmark", nothing, lambda s: (5_000 * TOKEN, 10 * ONE, PRICE), MARKET, not_market),
    Row("Pool.move", nothing, lambda s: (flow(s),), MARKET, not_market),
    Row("Pool.collectClaim", closed_while_blocked, lambda s: (1,), MARKET, not_market),
    Row("PositionVault.pay", nothing, lambda s: (1, 1), MARKET, not_market),
    Row("PositionVault.claim", nothing, lambda s: (s.other, 1), MARKET, not_market),
    Row("Cradle.create", nothing, lambda s: (bytes.fromhex("60015ff3"),), frozenset({"factory"}), not_factory),
    # grants: one's own, or signed by their trader
    Row("Operators.grant", nothing, lambda s: (s.market.address, s.at[OPERATOR], terms(s)), EVERYBODY),
    Row("Operators.grantBySignature", nothing, permit, EVERYBODY),
    Row("Operators.revokeNonce", nothing, lambda s: (), EVERYBODY),
    Row("Operators.spend", nothing, lambda s: (s.trader, s.at[OPERATOR], OPEN, 5), MARKET, no_grant_for_caller),
)
# fmt: on


@pytest.fixture(scope="module")
def built() -> Stage:
    return Stage()


@pytest.fixture
def stage(built: Stage) -> Iterator[Stage]:
    with built.chain.isolated():
        yield built


def test_every_function_has_a_row() -> None:
    functions = {
        f"{name}.{entry['name']}"
        for name in CONTRACTS
        for entry in artifacts()[name].abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    assert functions == {row.function for row in ROWS}
    entrances = {entry["type"] for name in CONTRACTS for entry in artifacts()[name].abi}
    assert entrances <= {"constructor", "function", "error", "event"}, "ether, or calls of no function, come in"


def test_callers_with_code_are_still_themselves(stage: Stage) -> None:
    assert stage.vault.call.trader() == stage.trader
    assert stage.market.call.pool() == stage.pool.address
    with pytest.raises(Revert) as caught:
        stage.say("pool", stage.vault, "pay", 1, 1)
    assert caught.value.values.caller == stage.pool.address


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.function)
def test_callers(stage: Stage, row: Row) -> None:
    row.before(stage)
    contract, _, function = row.function.partition(".")
    args, before = row.args(stage), stage.state()
    expected: dict[str, Error | None] = {}
    found: dict[str, Error | None] = {}
    for caller in CALLERS:
        expected[caller] = None if caller in row.allowed else row.refusal(stage, caller)
        with stage.chain.isolated():
            try:
                stage.say(caller, stage.contracts[contract], function, *args)
                found[caller] = None
            except Revert as revert:
                found[caller] = revert.name, tuple(revert.values)
            changed = stage.state() != before
        assert changed == (found[caller] is None), f"{row.function} by the {caller}: changed state: {changed}"
    assert found == expected
