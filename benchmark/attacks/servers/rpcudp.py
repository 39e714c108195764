"""A node of Python's rpcudp, steered by lines of JSON on its standard input. It answers on descriptor 3."""

import asyncio
import gc
import json
import os
import sys

sys.path.insert(0, os.environ["RPCUDP_PATH"])

import rpcudp  # noqa: E402
import umsgpack  # noqa: E402
from rpcudp.protocol import RPCProtocol  # noqa: E402

runs = {}


def ran(method):
    runs[method] = runs.get(method, 0) + 1


class Node(RPCProtocol):
    running = 0
    most = 0

    def rpc_ping(self, sender, *args):
        ran("ping")
        return "pong"

    async def rpc_slow(self, sender):
        ran("slow")
        await self.work(asyncio.sleep(1))
        return "slow"

    async def rpc_never(self, sender):
        ran("never")
        await self.work(asyncio.sleep(3600))

    def rpc_dies(self, sender):
        ran("dies")
        raise RuntimeError("a secret of the handler")

    def rpc_large(self, sender):
        ran("large")
        return bytes(8000)

    def rpc_huge(self, sender):
        ran("huge")
        return bytes(60000)

    async def work(self, waiting):
        Node.running += 1
        Node.most = max(Node.most, Node.running)
        try:
            await waiting
        finally:
            Node.running -= 1


async def obey(node, command):
    do = command["do"]
    if do == "stats":
        gc.collect()
        loop = asyncio.get_running_loop()
        return {
            "runs": runs,
            "running": Node.running,
            "most": Node.most,
            "kept": {
                "calls in its table": len(node._outstanding),
                "tasks": len(asyncio.all_tasks()),
                "timers": len([timer for timer in loop._scheduled if not timer.cancelled()]),
            },
        }
    peer = tuple(command["to"])
    if do == "call":
        answered, value = await node.ping(peer)
        return {"outcome": "answer" if answered else "none", "value": value}
    calls = [node.ping(peer) for _ in range(command["count"])]
    if do == "cancel":
        for call in calls:
            call.cancel()
    return {}


async def main():
    loop = asyncio.get_running_loop()
    transport, node = await loop.create_datagram_endpoint(Node, local_addr=("127.0.0.1", 0))
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)

    answers = os.fdopen(3, "w")

    def say(message):
        print(json.dumps(message), file=answers, flush=True)

    version = f"rpcudp {rpcudp.__version__}, u-msgpack {umsgpack.__version__}, Python {sys.version.split()[0]}"
    say({"port": transport.get_extra_info("sockname")[1], "version": version})
    tasks = set()

    async def answer(command):
        say({"id": command["id"], **await obey(node, command)})

    while line := await commands.readline():
        task = asyncio.ensure_future(answer(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    transport.close()


asyncio.run(main())
