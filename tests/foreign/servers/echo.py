"""An echo server on PyPI's websockets.

Run: python echo.py [PORT]. Without PORT it takes a free port. It prints the port, and exits when its
standard input ends.
"""

import os
import sys
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


def echo(socket):
    try:
        for message in socket:
            socket.send(message)
    except ConnectionClosed:
        pass  # a client that has broken a rule, or gone: websockets has closed already


with serve(echo, "127.0.0.1", int((sys.argv + ["0"])[1]), max_size=64 << 20) as server:
    threading.Thread(target=server.serve_forever).start()
    print(server.socket.getsockname()[1], flush=True)
    sys.stdin.read()
    os._exit(0)  # and not only when the last client has gone
