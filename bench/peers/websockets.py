"""Echo and broadcast on PyPI's websockets. Run: python websockets.py PORT"""

import asyncio
import os
import sys

# This file has the same name as the package, so Python must not look for the package here.
sys.path.remove(os.path.dirname(os.path.abspath(__file__)))

from websockets.asyncio.server import broadcast, serve  # noqa: E402
from websockets.exceptions import ConnectionClosed  # noqa: E402

everyone = set()


async def client(connection):
    try:
        if connection.request.path == "/broadcast":
            everyone.add(connection)
            async for message in connection:
                broadcast(everyone, message)
        else:
            async for message in connection:
                await connection.send(message)
    except ConnectionClosed:
        pass
    finally:
        everyone.discard(connection)


async def main():
    # asyncio switches TCP_NODELAY on by itself.
    async with serve(
        client,
        "127.0.0.1",
        int(sys.argv[1]),
        compression=None,
        max_size=64 << 20,
        ping_interval=None,
    ) as server:
        await server.serve_forever()


asyncio.run(main())
