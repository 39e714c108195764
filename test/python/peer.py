"""A node in Python, written from the description of the wire alone: asyncio and u-msgpack, nothing of ours.

    request   0x00  id[20]  msgpack([method, args])
    response  0x01  id[20]  msgpack(value)

What is of another type it passes over, as rpcudp does. It serves the methods at the end of this file, and prints its
address first. Then each line of JSON on stdin is a command, answered by a line of JSON on stdout; it ends with stdin.
"""

import asyncio
import collections
import collections.abc
import json
import os
import struct
import sys
from datetime import datetime, timedelta, timezone

import umsgpack

REQUEST, RESPONSE = 0, 1
HEADER = 21  # the type and the id


# ---------------------------------------------------------------------------------------------------------------------
# u-msgpack, and what version 2.3.0 (Debian's) lacks
# ---------------------------------------------------------------------------------------------------------------------

PACKING, UNPACKING = {}, {}

if umsgpack.version < (2, 5, 0):
    # Gone since Python 3.10: without it, no dict can be read.
    collections.Hashable = collections.abc.Hashable

    EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

    class Ext(umsgpack.Ext):
        """An extension of any type: u-msgpack's own refuses those under 0, which it reads as over 127."""

        def __init__(self, type, data):
            self.type, self.data = type, data

    def pack_timestamp(time):
        since = time - EPOCH
        seconds, nanoseconds = since.days * 86400 + since.seconds, since.microseconds * 1000
        if nanoseconds == 0 and 0 <= seconds < 2**32:
            return Ext(-1, struct.pack(">I", seconds))
        if 0 <= seconds < 2**34:
            return Ext(-1, struct.pack(">Q", nanoseconds << 34 | seconds))
        return Ext(-1, struct.pack(">Iq", nanoseconds, seconds))

    def unpack_timestamp(ext):
        if len(ext.data) == 12:
            nanoseconds, seconds = struct.unpack(">Iq", ext.data)
        else:
            bits = int.from_bytes(ext.data, "big")
            nanoseconds, seconds = bits >> 34, bits & (2**34 - 1)
        return EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)

    umsgpack.Ext = Ext
    PACKING = {"ext_handlers": {datetime: pack_timestamp}}
    UNPACKING = {"ext_handlers": {255: unpack_timestamp}}


def pack(value):
    return umsgpack.packb(value, **PACKING)


def unpack(data):
    return umsgpack.unpackb(data, **UNPACKING)


# ---------------------------------------------------------------------------------------------------------------------
# the node
# ---------------------------------------------------------------------------------------------------------------------


class NoAnswer(Exception):
    """The call timed out. `ignored`: the types of what came for it and was passed over."""

    def __init__(self, ignored):
        super().__init__(ignored)
        self.ignored = ignored


class Deliberate(Exception):
    """Raised by a method that is meant to."""


class Node(asyncio.DatagramProtocol):
    def __init__(self):
        self.waiting = {}  # id -> (future of the response, types ignored)
        self.held = []  # requests whose answer waits for `release`
        self.tasks = set()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, datagram, sender):
        if len(datagram) <= HEADER:
            return
        type, id, body = datagram[0], datagram[1:HEADER], datagram[HEADER:]
        if type == REQUEST:
            self.start(self.serve(id, body, sender))
        elif id in self.waiting:
            response, ignored = self.waiting[id]
            if type != RESPONSE:
                ignored.append(type)
            elif not response.done():
                response.set_result(unpack(body))

    async def serve(self, id, body, sender):
        name, args = unpack(body)
        if name not in METHODS:
            return
        try:
            answer = METHODS[name](self, sender, *args)
            if asyncio.iscoroutine(answer):
                answer = await answer
        except Deliberate:
            return  # rpcudp's task dies of it, and no answer leaves
        if answer is not SILENCE:
            self.transport.sendto(bytes([RESPONSE]) + id + pack(answer), sender)

    async def call(self, peer, name, *args, timeout=2):
        id = os.urandom(20)
        response, ignored = asyncio.get_running_loop().create_future(), []
        self.waiting[id] = (response, ignored)
        self.transport.sendto(bytes([REQUEST]) + id + pack([name, args]), peer)
        try:
            return await asyncio.wait_for(response, timeout)
        except asyncio.TimeoutError:
            raise NoAnswer(ignored) from None
        finally:
            del self.waiting[id]

    def start(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        # The loop itself keeps no task alive.
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


# ---------------------------------------------------------------------------------------------------------------------
# values
# ---------------------------------------------------------------------------------------------------------------------


def utc(*parts):
    return datetime(*parts, tzinfo=timezone.utc)


# Each kind of value by its name. The caller knows them by the same names, in its own language.
VALUES = {
    "nil": None,
    "true": True,
    "false": False,
    "0": 0,
    "127": 127,
    "128": 128,
    "255": 255,
    "256": 256,
    "2**16 - 1": 2**16 - 1,
    "2**16": 2**16,
    "2**32 - 1": 2**32 - 1,
    "2**32": 2**32,
    "2**53 - 1": 2**53 - 1,
    "2**53": 2**53,
    "2**53 + 1": 2**53 + 1,
    "2**63 - 1": 2**63 - 1,
    "2**63": 2**63,
    "2**64 - 1": 2**64 - 1,
    "-1": -1,
    "-32": -32,
    "-33": -33,
    "-128": -128,
    "-129": -129,
    "-2**15": -(2**15),
    "-2**15 - 1": -(2**15) - 1,
    "-2**31": -(2**31),
    "-2**31 - 1": -(2**31) - 1,
    "-2**53": -(2**53),
    "-2**53 - 1": -(2**53) - 1,
    "-2**63": -(2**63),
    "0.5": 0.5,
    "-1.5": -1.5,
    "pi": 3.141592653589793,
    "greatest float": 1.7976931348623157e308,
    "least float": 5e-324,
    "infinity": float("inf"),
    "-infinity": float("-inf"),
    "nan": float("nan"),
    "empty text": "",
    "text": "abc",
    "text of 31": "x" * 31,
    "text of 32": "x" * 32,
    "text of 255": "x" * 255,
    "text of 256": "x" * 256,
    "text of 5000": "x" * 5000,
    "unicode": "Grüße, 世界 🐍 e\u0301 \u0000 \ufeff \u2028",
    "empty bytes": b"",
    "bytes": b"abc",
    "bytes that are no text": bytes(range(256)),
    "bytes of 5000": b"\xff" * 5000,
    "empty list": [],
    "list of 15": list(range(15)),
    "list of 16": list(range(16)),
    "list of kinds": [None, True, 1, 0.5, "a", b"a", [[]], {}],
    "nested lists": [1, [2, [3, [4, [5, [6, [7, [8, ["deep"]]]]]]]]],
    "empty dict": {},
    "dict": {"a": 1, "b": {"c": [None, {"d": 0.5}]}},
    "dict of 16": {f"key {i}": i for i in range(16)},
    "names that mean something elsewhere": {"__proto__": 1, "constructor": 2, "toString": 3, "": 4},
    "dict with int keys": {1: "one", -2: "two", 2**64 - 1: "many"},
    "dict with bytes keys": {b"k": b"v", b"": b"", b"\xff\x00": 1},
    "dict with text and bytes of one spelling": {"k": "text", b"k": "bytes"},
    "dict with odd keys": {None: 0, True: 1, 0.5: 2, "5": 3, 5: 4},
    "dict with tuple keys": {(1, "a"): "x", (): "y"},
    "dicts in lists in dicts": {"rows": [{1: {b"x": [{"y": 2**63}]}}]},
    "timestamp 0": utc(1970, 1, 1),
    "timestamp": utc(2024, 2, 29, 12, 34, 56),
    "timestamp with milliseconds": utc(2024, 2, 29, 12, 34, 56, 789000),
    "timestamp past 32 bits": utc(2200, 1, 1),
    "timestamp past 32 bits with milliseconds": utc(2200, 1, 1, 0, 0, 0, 1000),
    "timestamp past 34 bits": utc(9999, 12, 31, 23, 59, 59, 999000),
    "timestamp before 1970": utc(1969, 12, 31, 23, 59, 59),
    "timestamp before 1970 with milliseconds": utc(1969, 12, 31, 23, 59, 58, 500000),
    "timestamp long before 1970": utc(1, 1, 1),
}

# What the other language cannot keep apart, and what a schema there describes.
OTHERS = {
    "2.0": 2.0,
    "-0.0": -0.0,
    "row": {
        "text": "Grüße",
        "int": 42,
        "float": 0.25,
        "big": 2**64 - 1,
        "small": 7,
        "bytes": b"\x00\xff",
        "time": utc(2024, 2, 29, 12, 34, 56, 789000),
        "list": ["a", "b"],
        "dict": {1: b"one", 2: b"two"},
        "pair": [True, None],
    },
}


def same(a, b):
    """Equal, and of the same types all the way down: 1, 1.0 and True are three values, nan is one."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return repr(a) == repr(b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        a, b = ({(type(key), key): value for key, value in each.items()} for each in (a, b))
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def named(name):
    return VALUES[name] if name in VALUES else OTHERS[name]


# ---------------------------------------------------------------------------------------------------------------------
# methods: what it serves
# ---------------------------------------------------------------------------------------------------------------------

SILENCE = object()


def echo(node, sender, value):
    return value


def greet(node, sender, name, greeting="Hello"):
    return f"{greeting} {name} you live at {sender[0]}:{sender[1]}"


def silent(node, sender):
    return SILENCE


def broken(node, sender):
    raise Deliberate


def zeros(node, sender, length):
    return bytes(length)


def kinds(node, sender):
    return list(VALUES)


def give(node, sender, name):
    return named(name)


def receive(node, sender, name, value):
    """Whether the value is the one of that name; else what it is."""
    return True if same(named(name), value) else repr(value)


def describe(node, sender, value):
    """What the value is in Python."""
    return f"{type(value).__name__} {value!r}"


async def hold(node, sender):
    held = asyncio.get_running_loop().create_future()
    node.held.append(held)
    return await held


def release(node, sender):
    """Lets the held answers go, and answers how many there were."""
    count = len(node.held)
    while node.held:
        node.held.pop().set_result("late")
    return count


async def call_back(node, sender, name, *args):
    """Calls the caller, before it has its answer."""
    return await node.call(sender, name, *args)


METHODS = {
    method.__name__: method
    for method in (
        echo, greet, silent, broken, zeros, kinds, give, receive, describe, hold, release, call_back
    )
}


# ---------------------------------------------------------------------------------------------------------------------
# commands: what it calls
# ---------------------------------------------------------------------------------------------------------------------


async def command_call(node, peer, method, args, timeout=2):
    """Calls a method with what JSON can say."""
    return {"answer": await node.call(peer, method, *args, timeout=timeout)}


async def command_send(node, peer, method, name):
    """Calls a method with a value and its name. Answers whether it is given the same value back; else what."""
    sent = named(name)
    got = await node.call(peer, method, name, sent)
    return True if same(sent, got) else {"sent": repr(sent), "got": repr(got)}


async def command_flood(node, peer, method, calls, in_flight):
    """Calls a method that should give its one argument back, so many times, and answers how many of them did."""
    free = asyncio.Semaphore(in_flight)

    async def one(index):
        async with free:
            return same(await node.call(peer, method, [index, str(index)]), [index, str(index)])

    return {"right": sum(await asyncio.gather(*map(one, range(calls))))}


async def command_zeros(node, peer, method, length):
    """Calls a method with so many bytes."""
    return {"answer": await node.call(peer, method, bytes(length))}


COMMANDS = {"call": command_call, "send": command_send, "flood": command_flood, "zeros": command_zeros}


async def main():
    loop = asyncio.get_running_loop()
    transport, node = await loop.create_datagram_endpoint(Node, local_addr=("127.0.0.1", 0))
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    say("{}:{}".format(*transport.get_extra_info("sockname")))
    async for line in commands:
        command = json.loads(line)
        host, port = command.pop("peer").split(":")
        try:
            result = await COMMANDS[command.pop("do")](node, (host, int(port)), **command)
        except NoAnswer as error:
            result = {"ignored": error.ignored}
        say(result)
    transport.close()


def say(result):
    print(json.dumps(result, default=repr), flush=True)


asyncio.run(main())
