"""Serves what examples/python.ts calls, until it is told to stop, and prints where."""

import rpcudp


def sayhi(sender, name):
    return f"Hello {name} you live at {sender[0]}:{sender[1]}"


def describe(sender, value):
    return f"{type(value).__name__} {value!r}"


sock = rpcudp.bind()
print("{}:{}".format(*sock.getsockname()), flush=True)
rpcudp.serve(sock, {"sayhi": sayhi, "describe": describe})
