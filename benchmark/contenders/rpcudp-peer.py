"""Python's rpcudp itself, which is not part of this repository. It speaks to the harness as worker.ts does.

rpcudp-peer.py <asyncio|uvloop> serve
rpcudp-peer.py <asyncio|uvloop> call <port>
rpcudp-peer.py <asyncio|uvloop> wait <port> <calls>
"""

import asyncio
import gc
import logging
import os
import resource
import sys
import time

from rpcudp.protocol import RPCProtocol

ARGUMENT = "0123456789abcdef"
LOST_AFTER = 1.0  # seconds

logging.disable(logging.CRITICAL)


class Forty(RPCProtocol):
    def rpc_forty(self, sender, argument):
        return "a reply of forty bytes: " + argument


def say(line):
    print(line, flush=True)


async def open_socket():
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        Forty, local_addr=("127.0.0.1", 0)
    )
    return transport, protocol


async def lines():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def serve():
    transport, _ = await open_socket()
    say(f"port {transport.get_extra_info('sockname')[1]}")
    # Ends with whoever started it.
    await (await lines()).read()


async def phase(protocol, peer, in_flight, warm_up, measure):
    latencies = []
    lost = 0
    running = True

    async def worker():
        nonlocal lost
        while running:
            started = time.perf_counter()
            answered, _ = await protocol.forty(peer, ARGUMENT)
            if answered:
                latencies.append(time.perf_counter() - started)
            else:
                lost += 1

    workers = [asyncio.ensure_future(worker()) for _ in range(in_flight)]
    await asyncio.sleep(warm_up)
    say("begin")
    latencies.clear()
    begin = time.perf_counter()
    await asyncio.sleep(measure)
    seconds = time.perf_counter() - begin
    measured = sorted(latencies)
    running = False
    await asyncio.gather(*workers)
    calls = len(measured)

    def quantile(share):
        return 1e6 * measured[int(share * calls)] if calls > 0 else float("nan")

    say(f"end {calls} {seconds} {quantile(0.5)} {quantile(0.99)} {lost}")


async def call(port):
    _, protocol = await open_socket()
    protocol._wait_timeout = LOST_AFTER
    peer = ("127.0.0.1", port)
    answered, _ = await protocol.forty(peer, ARGUMENT)
    assert answered
    say("connected")
    reader = await lines()
    while line := await reader.readline():
        in_flight, warm_up, measure = map(float, line.split())
        await phase(protocol, peer, int(in_flight), warm_up / 1000, measure / 1000)


def resident():
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


async def wait(port, calls):
    _, protocol = await open_socket()
    protocol._wait_timeout = 60
    peer = ("127.0.0.1", port)
    before = resident()
    begin = time.perf_counter()
    outstanding = [asyncio.ensure_future(worker(protocol, peer)) for _ in range(calls)]
    await asyncio.sleep(0)
    millis = 1000 * (time.perf_counter() - begin)
    say(f"outstanding {millis} nan {(resident() - before) / len(outstanding)}")
    os._exit(0)


async def worker(protocol, peer):
    await protocol.forty(peer, ARGUMENT)


def main():
    loop, role, *rest = sys.argv[1:]
    roles = {"serve": serve, "call": call, "wait": wait}
    program = roles[role](*map(int, rest))
    if loop == "uvloop":
        import uvloop

        uvloop.install()
    asyncio.run(program)


main()
