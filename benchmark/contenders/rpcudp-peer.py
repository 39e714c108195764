"""Python's rpcudp itself, which is not part of this repository. It speaks to the harness as worker.ts does.

rpcudp-peer.py <asyncio|uvloop> serve, or rpcudp-peer.py <asyncio|uvloop> call <port>
"""

import asyncio
import logging
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


def main():
    loop, role, *rest = sys.argv[1:]
    program = serve() if role == "serve" else call(int(rest[0]))
    if loop == "uvloop":
        import uvloop

        uvloop.install()
    asyncio.run(program)


main()
