"""The wire of rpcudp by u-msgpack alone. A datagram is a type, an id of 20 bytes and a MessagePack value."""

import collections
import collections.abc
import os
import socket

# u-msgpack before 2.5.2 (Debian 12 has 2.3.0) reads no map without this on Python 3.10 and later.
collections.Hashable = collections.abc.Hashable

import umsgpack  # noqa: E402

REQUEST, RESPONSE = b"\x00", b"\x01"
HEADER = 1 + 20


def bind():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def call(sock, peer, method, *args, timeout=5.0):
    """Calls a method and waits for its result, which must come from the peer that was called."""
    call_id = os.urandom(20)
    sock.settimeout(timeout)
    sock.sendto(REQUEST + call_id + umsgpack.packb([method, list(args)]), peer)
    while True:
        datagram, sender = sock.recvfrom(65536)
        if sender == peer and datagram[:HEADER] == RESPONSE + call_id:
            return umsgpack.unpackb(datagram[HEADER:])


def serve(sock, handlers):
    """Answers each request with what its handler returns; a handler takes its sender first, as in rpcudp."""
    while True:
        datagram, sender = sock.recvfrom(65536)
        if datagram[:1] != REQUEST or len(datagram) <= HEADER:
            continue
        method, args = umsgpack.unpackb(datagram[HEADER:])
        if method in handlers:
            result = handlers[method](sender, *args)
            sock.sendto(RESPONSE + datagram[1:HEADER] + umsgpack.packb(result), sender)
