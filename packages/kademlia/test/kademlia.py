"""Kademlia nodes in Python, written from the description of the methods alone: asyncio and u-msgpack, nothing of ours.

    ping(id) -> id    stun() -> [ip, port]    store(id, key, value) -> bool
    find_node(id, key) -> [[id, ip, port], ...]    find_value(id, key) -> {"value": value}, or as find_node

A plain node: it keeps every contact it hears from, and never forgets a value. Told how long a minute is, it hands newcomers
what it keeps, and stores again what nobody has stored for twenty. Each line of JSON on stdin is a command, which is answered
by a line of JSON on stdout; the process ends with stdin. Bytes travel as {"hex": ...}.
"""

import asyncio
import collections
import collections.abc
import hashlib
import json
import os
import sys

# u-msgpack before 2.5.2 reads no map without this on Python 3.10 and later.
collections.Hashable = collections.abc.Hashable

import umsgpack  # noqa: E402

REQUEST, RESPONSE = 0, 1
HEADER = 21  # the type and the id of the call
K, ALPHA = 20, 3


def digest(key):
    return hashlib.sha1(key.encode()).digest()


def distance(a, b):
    return int.from_bytes(a, "big") ^ int.from_bytes(b, "big")


def nearest(contacts, key):
    return sorted(contacts.items(), key=lambda item: distance(item[0], key))


class Node(asyncio.DatagramProtocol):
    def __init__(self, timeout=1, minute=None):
        self.id = os.urandom(20)
        self.timeout, self.minute = timeout, minute  # in seconds
        self.contacts = {}  # id -> (ip, port)
        self.values = {}  # key -> value
        self.stored = {}  # key -> when it was last stored
        self.waiting = {}  # id of a call -> future
        self.tasks = set()

    def connection_made(self, transport):
        self.transport = transport
        if self.minute is not None:
            self.spawn(self.keep_up())

    def close(self):
        for task in self.tasks:
            task.cancel()
        self.transport.close()

    def spawn(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    @property
    def address(self):
        return "{}:{}".format(*self.transport.get_extra_info("sockname"))

    # the wire

    def datagram_received(self, datagram, sender):
        type, call, body = datagram[0], datagram[1:HEADER], datagram[HEADER:]
        if type == REQUEST:
            method, args = umsgpack.unpackb(body)
            handler = getattr(self, "on_" + method, None)
            if handler is not None:
                answer = handler(sender, *args)
                self.transport.sendto(bytes([RESPONSE]) + call + umsgpack.packb(answer), sender)
        elif type == RESPONSE and call in self.waiting:
            future = self.waiting.pop(call)
            # Its time may be over, and whoever waits not yet told.
            if not future.done():
                future.set_result(umsgpack.unpackb(body))

    async def call(self, peer, method, *args):
        """Answers what the peer did, or None."""
        call = os.urandom(20)
        future = self.waiting[call] = asyncio.get_running_loop().create_future()
        self.transport.sendto(bytes([REQUEST]) + call + umsgpack.packb([method, list(args)]), peer)
        try:
            return await asyncio.wait_for(future, self.timeout)
        except asyncio.TimeoutError:
            return None
        finally:
            self.waiting.pop(call, None)

    # what others ask

    def meet(self, id, address):
        if id != self.id:
            self.contacts[id] = tuple(address)

    def heard(self, id, address):
        """Who has called is there."""
        isNew = id not in self.contacts
        self.meet(id, address)
        if isNew and self.minute is not None:
            self.spawn(self.hand_over(id, address))

    def closest(self, key, count=K):
        return nearest(self.contacts, key)[:count]

    def keep(self, key, value):
        self.values[key] = value
        self.stored[key] = asyncio.get_running_loop().time()

    def on_ping(self, sender, id):
        self.heard(id, sender)
        return self.id

    def on_stun(self, sender):
        return list(sender)

    def on_store(self, sender, id, key, value):
        self.heard(id, sender)
        self.keep(key, value)
        return True

    def on_find_node(self, sender, id, key):
        self.heard(id, sender)
        return [[other, *address] for other, address in self.closest(key) if other != id]

    def on_find_value(self, sender, id, key):
        if key in self.values:
            self.heard(id, sender)
            return {"value": self.values[key]}
        return self.on_find_node(sender, id, key)

    # what it asks

    async def join(self, peer):
        id = await self.call(peer, "ping", self.id)
        if id is None:
            return False
        self.meet(id, peer)
        await self.look("find_node", self.id)
        return True

    async def look(self, method, key):
        """Answers the value, if `method` finds it, and else those that are closest and answered."""
        known, asked, answered = dict(self.contacts), set(), {}
        while True:
            near = [(id, peer) for id, peer in nearest(known, key)[:K] if id not in asked]
            if not near:
                return None, nearest(answered, key)[:K]
            batch = near[:ALPHA]
            asked.update(id for id, _ in batch)
            answers = await asyncio.gather(*(self.call(peer, method, self.id, key) for _, peer in batch))
            for (id, peer), answer in zip(batch, answers):
                if isinstance(answer, dict):
                    return answer, []
                if answer is None:
                    known.pop(id)
                    self.contacts.pop(id, None)
                    continue
                answered[id] = peer
                self.meet(id, peer)
                for other, ip, port in answer:
                    if other not in asked and other != self.id:
                        known[other] = (ip, port)

    async def set(self, key, value):
        return await self.store(digest(key), value)

    async def store(self, key, value):
        _, near = await self.look("find_node", key)
        taken = await asyncio.gather(*(self.call(peer, "store", self.id, key, value) for _, peer in near))
        return sum(answer is True for answer in taken)

    async def get(self, key):
        found, _ = await self.look("find_value", digest(key))
        return found

    async def hand_over(self, id, peer):
        """The pairs that a newcomer is to keep, if nobody else is closer to them than this node."""
        for key, value in list(self.values.items()):
            rival = [other for other, _ in self.closest(key, 2) if other != id][:1]
            isFirst = not rival or distance(self.id, key) < distance(rival[0], key)
            if isFirst and id in (other for other, _ in self.closest(key)):
                await self.call(peer, "store", self.id, key, value)

    async def keep_up(self):
        time = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self.minute)
            for key, at in list(self.stored.items()):
                if at <= time() - 20 * self.minute:
                    self.stored[key] = time()
                    await self.store(key, self.values[key])


def to_json(value):
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def from_json(value):
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


def peer_of(text):
    host, port = text.split(":")
    return host, int(port)


async def main():
    loop = asyncio.get_running_loop()
    nodes = []

    async def start(options):
        _, node = await loop.create_datagram_endpoint(lambda: Node(**options), local_addr=("127.0.0.1", 0))
        nodes.append(node)
        return node.address

    async def run(command):
        do, node = command["do"], nodes[command["node"]] if "node" in command else None
        if do == "count":
            return len(nodes)
        if do == "start":
            return await start(command.get("options", {}))
        if do == "stop":
            return node.close()
        if do == "join":
            return await node.join(peer_of(command["peer"]))
        if do == "set":
            return await node.set(command["key"], from_json(command["value"]))
        if do == "get":
            found = await node.get(command["key"])
            # What kind of value it is in Python, too: a float must not have become an int.
            return found and [type(found["value"]).__name__, to_json(found["value"])]
        if do == "contacts":
            return len(node.contacts)
        raise ValueError(do)

    stdin = asyncio.StreamReader(limit=2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while line := await stdin.readline():
        print(json.dumps(await run(json.loads(line))), flush=True)


asyncio.run(main())
