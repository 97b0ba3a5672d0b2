"""A client made with PyPI's websockets. It tests text, binary, Ping and Close.

Run: python client.py ADDRESS. It exits with 0 when the server has answered everything correctly.
"""

import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20, 16 << 20]


def main(address):
    with connect(f"ws://{address}/echo", max_size=64 << 20) as socket:
        for length in LENGTHS:
            socket.send("x" * length)
            assert socket.recv(timeout=60) == "x" * length
            socket.send(b"\xfe" * length)
            assert socket.recv(timeout=60) == b"\xfe" * length
        socket.send(["fragment 1, ", "片段 ", "3"])
        assert socket.recv(timeout=60) == "fragment 1, 片段 3"
        assert socket.ping("are you there?").wait(60)
        socket.close(4321, "done")
        try:
            socket.recv(timeout=60)
        except ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4321, "done"), closed
            assert not closed.rcvd_then_sent
        else:
            raise AssertionError("a message after the end")
    with connect(f"ws://{address}/room/blue", subprotocols=["chat", "classroom.v1"]) as socket:
        assert socket.subprotocol == "classroom.v1"
        socket.send('{"type":"join","name":"Ana"}')
        assert '"welcome"' in socket.recv(timeout=60)


main(sys.argv[1])
