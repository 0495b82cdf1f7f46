"""A TCP line that can be cut or go dead: what stands between a worker and Asterisk when the network fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ari_app.lab.places import LOOPBACK

CHUNK = 65_536


class Line:
    """Passes bytes on between its own port and `port`, while nothing is wrong."""

    def __init__(self, port: int) -> None:
        self._far_port = port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int) -> AsyncIterator["Line"]:
        """A line to 127.0.0.1:`port` for the length of a block."""
        line = cls(port)
        server = await asyncio.start_server(line._serve, LOOPBACK, 0)
        line.port = server.sockets[0].getsockname()[1]
        try:
            yield line
        finally:
            line._flowing.set()
            server.close()
            line.cut()

    def cut(self) -> None:
        """End every connection at once; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()

    @asynccontextmanager
    async def dead(self) -> AsyncIterator[None]:
        """Nothing is passed on and nobody is told, for the length of a block."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError):
            await self._flowing.wait()
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._far_port)
            self._writers.add(far_writer)
            try:
                ways = [
                    asyncio.ensure_future(self._pass_on(reader, far_writer)),
                    asyncio.ensure_future(self._pass_on(far_reader, writer)),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
            finally:
                self._writers.discard(far_writer)
                far_writer.close()
        self._writers.discard(writer)
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
