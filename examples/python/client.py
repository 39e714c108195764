"""Calls the greeter of examples/greeter at the address that it is given."""

import socket
import sys

import rpcudp

host, port = sys.argv[1].split(":")
greeter = (host, int(port))
sock = rpcudp.bind()

print("sayhi:", rpcudp.call(sock, greeter, "sayhi", "Snake Plissken"))
print("poke:", rpcudp.call(sock, greeter, "poke"))
try:
    # The handler fails with a declared error. Python does not know the frame that says so.
    rpcudp.call(sock, greeter, "lookup", "nowhere", timeout=0.5)
except socket.timeout:
    print("lookup: no answer")
