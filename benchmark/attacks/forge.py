"""Sends datagrams from addresses that nobody gave it: raw IPv4 packets, to this machine alone. It needs CAP_NET_RAW.

    forge.py PORT RATE < lines of "address port hex"

To 127.0.0.1:PORT, at most RATE a second. A port of 0 is sent as such.
"""

import socket
import struct
import sys
import time

port, rate = int(sys.argv[1]), int(sys.argv[2])
here = socket.inet_aton("127.0.0.1")
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
packets = []
for line in sys.stdin:
    sender, sender_port, payload = line.rstrip("\n").split(" ")
    assert sender.startswith("127.")
    body = bytes.fromhex(payload)
    # The kernel fills in the checksum of IP; that of UDP is optional in IPv4.
    udp = struct.pack("!HHHH", int(sender_port), port, 8 + len(body), 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, socket.inet_aton(sender), here)
    packets.append(ip + udp + body)

# Whoever steers waits for this line before it starts its clocks.
print("ready", flush=True)
started = time.monotonic()
for n, packet in enumerate(packets):
    ahead = started + n / rate - time.monotonic()
    if ahead > 0.001:
        time.sleep(ahead)
    raw.sendto(packet, ("127.0.0.1", 0))
print(f"{len(packets)} in {time.monotonic() - started:.2f}", flush=True)
