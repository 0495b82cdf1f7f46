"""An AMI server over a real socket, answering from a table."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

Answer = Callable[[dict[str, str]], list[dict[str, str]]]


class ScriptedAmi:
    """`async with ScriptedAmi() as server:`; `answers[action]` gives the messages that follow an action."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[dict[str, str]] = []
        self.silent: set[str] = set()
        """Actions that are never answered."""
        self.password = "secret"
        self.port = 0
        self.logins = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "ScriptedAmi":
        await self.listen(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def listen(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.drop()

    def drop(self) -> None:
        """Abort every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def emit(self, **fields: str) -> None:
        for writer in self._writers:
            writer.write(_text(fields))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                writer.write(b"Asterisk Call Manager/11.0.0\r\n")
                while True:
                    block = (await reader.readuntil(b"\r\n\r\n")).decode()
                    self._take(dict(line.split(": ", 1) for line in block.strip().split("\r\n")), block, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    def _take(self, fields: dict[str, str], block: str, writer: asyncio.StreamWriter) -> None:
        self.asked.append(fields | {"raw": block})
        action = fields["Action"]
        if action in self.silent:
            return
        for each in self._answer(action, fields):
            writer.write(_text(each | {"ActionID": fields["ActionID"]}))

    def _answer(self, action: str, fields: dict[str, str]) -> list[dict[str, str]]:
        if action == "Login":
            if fields["Secret"] != self.password:
                return [{"Response": "Error", "Message": "Authentication failed"}]
            self.logins += 1
            return [{"Response": "Success", "Message": "Authentication accepted"}]
        if action in self.answers:
            return self.answers[action](fields)
        return [{"Response": "Success", "Message": "ok"}]


def _text(fields: dict[str, str]) -> bytes:
    return ("".join(f"{key}: {value}\r\n" for key, value in fields.items()) + "\r\n").encode()
