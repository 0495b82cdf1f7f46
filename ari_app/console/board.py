"""The page's parts as they are now, kept fresh while somebody looks, and waited for by every viewer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from ari_app.console import sections
from ari_app.console.markup import Markup
from ari_app.console.views import DeskNames, DeskView
from ari_app.errors import AriAppError
from ari_app.logs import get_logger

log = get_logger()

Item = TypeVar("Item")

CALLS_EVERY_S = 0.3
REST_EVERY_S = 3.0
SOURCE_S = 3.0
"""How long a source may take before its part says that it isn't available."""


class Board:
    """Renders the parts; a part whose source fails says so, and the others stay."""

    def __init__(self, view: DeskView, names: DeskNames) -> None:
        self._view = view
        self._names = names
        self._parts: dict[str, Markup] = {}
        self._versions: dict[str, int] = {}
        self._version = 0
        self._viewers = 0
        self._changed = asyncio.Condition()
        self._wanted = asyncio.Event()
        self.is_closed = False

    async def parts(self) -> Mapping[str, Markup]:
        """All parts, made now."""
        await asyncio.gather(self._refresh_calls(), self.refresh_rest())
        return dict(self._parts)

    async def run(self) -> None:
        """Keep the parts fresh while there are viewers; ends only by cancellation."""
        since_s = REST_EVERY_S
        while True:
            await self._wanted.wait()
            try:
                await self._refresh_calls()
                if since_s >= REST_EVERY_S:
                    since_s = 0.0
                    await self.refresh_rest()
            except Exception:
                log.exception("console.refresh_failed")
            await asyncio.sleep(CALLS_EVERY_S)
            since_s += CALLS_EVERY_S

    async def changes(self, after: int) -> tuple[int, dict[str, Markup]]:
        """Parts that are newer than version `after`, and the newest version; waits for one. Empty once closed."""
        async with self._changed:
            self._viewers += 1
            self._wanted.set()
            try:
                await self._changed.wait_for(lambda: self._version > after or self.is_closed)
            finally:
                self._viewers -= 1
                if not self._viewers:
                    self._wanted.clear()
            newer = {name: part for name, part in self._parts.items() if self._versions[name] > after}
            return self._version, {} if self.is_closed else newer

    async def close(self) -> None:
        """Let every viewer go."""
        async with self._changed:
            self.is_closed = True
            self._changed.notify_all()

    async def refresh_rest(self) -> None:
        """Ask for everything but the calls."""
        now, view, names = self._view.now(), self._view, self._names
        await asyncio.gather(
            self._refresh(
                "appointments", view.appointments, lambda found: sections.appointments_section(found, names, now)
            ),
            self._refresh("callbacks", view.callbacks, lambda found: sections.callbacks_section(found, now)),
            self._refresh("outbox", view.outbox, lambda found: sections.outbox_section(found, now)),
        )

    async def _refresh_calls(self) -> None:
        await self._put("calls", sections.calls_section(self._view.calls()))

    async def _refresh(
        self, name: str, source: Callable[[], Awaitable[Sequence[Item]]], render: Callable[[Sequence[Item]], Markup]
    ) -> None:
        try:
            async with asyncio.timeout(SOURCE_S):
                part = render(await source())
        except AriAppError as exc:
            part = sections.unavailable(str(exc))
        except TimeoutError:
            part = sections.unavailable(f"no answer in {SOURCE_S:.0f} seconds")
        await self._put(name, part)

    async def _put(self, name: str, part: Markup) -> None:
        if self._parts.get(name) == part:
            return
        async with self._changed:
            self._version += 1
            self._parts[name], self._versions[name] = part, self._version
            self._changed.notify_all()
