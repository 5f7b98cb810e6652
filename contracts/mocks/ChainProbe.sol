// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title ChainProbe
/// @notice One of each thing that bulkhead.chain has to carry: typed errors, events, structs, ether, transient storage.
/// @dev For tests of the Python side only; nothing in the protocol uses it.
contract ChainProbe {
    enum Side {
        LONG,
        SHORT
    }

    struct Leg {
        address owner;
        int128 size;
        Side side;
    }

    struct Book {
        bytes32 id;
        Leg best;
        uint64[] prices;
        string label;
    }

    error TooMuch(address who, uint256 wanted, uint256 available);
    error Denied();
    error BadBook(Book book);

    event Transfer(address indexed from, address indexed to, uint256 amount);
    event Stored(bytes32 indexed id, string indexed label, Leg leg, uint64[] prices, string plain);
    event Noted(uint256 indexed number, bytes data) anonymous;

    mapping(address => uint256) public balanceOf;
    uint256 public counter;
    address public owner;
    uint256 transient lock;

    constructor(address owner_, uint256 supply) payable {
        if (owner_ == address(0)) revert Denied();
        owner = owner_;
        balanceOf[owner_] = supply;
        emit Transfer(address(0), owner_, supply);
    }

    receive() external payable {}

    function transfer(address to, uint256 amount) external returns (bool) {
        uint256 available = balanceOf[msg.sender];
        if (amount > available) revert TooMuch(msg.sender, amount, available);
        unchecked {
            balanceOf[msg.sender] = available - amount;
            balanceOf[to] += amount;
        }
        emit Transfer(msg.sender, to, amount);
        return true;
    }

    function bump() external returns (uint256) {
        return ++counter;
    }

    function bump(uint256 by) external returns (uint256) {
        counter += by;
        return counter;
    }

    function bumpThenDeny() external {
        counter += 1;
        revert Denied();
    }

    /// @notice Fails with Denied when called twice within one transaction.
    function once() public {
        if (lock != 0) revert Denied();
        lock = 1;
        counter += 1;
    }

    function twice() external {
        once();
        once();
    }

    function pay() external payable returns (uint256) {
        return msg.value;
    }

    function withdraw(address payable to, uint256 amount) external {
        (bool ok,) = to.call{value: amount}("");
        require(ok, "withdraw failed");
    }

    function store(Book calldata book) external returns (Book memory) {
        emit Stored(book.id, book.label, book.best, book.prices, book.label);
        emit Noted(book.prices.length, abi.encode(book.label));
        return book;
    }

    function badBook(Book calldata book) external pure {
        revert BadBook(book);
    }

    function leg() external view returns (Leg memory) {
        return Leg(owner, -5, Side.SHORT);
    }

    function legs(uint256 count) external view returns (Leg[] memory all) {
        all = new Leg[](count);
        for (uint256 i; i < count; ++i) {
            all[i] = Leg(owner, int128(int256(i)) - 1, Side(i % 2));
        }
    }

    function pair() external view returns (uint256 number, address who, bool) {
        return (counter, owner, true);
    }

    function echo(int24 a, bytes4 b, bool c, uint8[3] calldata d, bytes calldata e)
        external
        pure
        returns (int24, bytes4, bool, uint8[3] memory, bytes memory)
    {
        return (a, b, c, d, e);
    }

    function sayNo(string calldata why) external pure {
        revert(why);
    }

    function divide(uint256 a, uint256 b) external pure returns (uint256) {
        return a / b;
    }

    function failSilently() external pure {
        assembly {
            revert(0, 0)
        }
    }

    function burnGas() external pure {
        assembly {
            invalid()
        }
    }

    function spin() external {
        while (true) ++counter;
    }

    function now_() external view returns (uint256 timestamp, uint256 number, uint256 chain) {
        return (block.timestamp, block.number, block.chainid);
    }
}
