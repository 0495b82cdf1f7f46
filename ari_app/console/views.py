"""What the front desk's page shows, and where it comes from."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ari_app.booking.model import Appointment
from ari_app.call.registry import LiveCall
from ari_app.store.callbacks import Callback
from ari_app.store.outbox import OutboxMessage

Check = Callable[[], Awaitable[None]]
"""One part's readiness: returns where it works, raises an AriAppError that says what is wrong where it doesn't."""


class DeskView(Protocol):
    """The running application as the desk sees it; each method may raise an AriAppError, which the page then shows."""

    def now(self) -> datetime:
        """The present moment, aware, in the business's zone."""

    def calls(self) -> Sequence[LiveCall]:
        """Live calls, longest first."""

    async def appointments(self) -> Sequence[Appointment]:
        """Appointments from today's start on, soonest first; the page shows the next hundred."""

    async def outbox(self) -> Sequence[OutboxMessage]:
        """Texts that wait, and those that were sent or failed lately, newest first."""

    async def callbacks(self) -> Sequence[Callback]:
        """Callbacks that are promised and not done, most urgent first."""

    async def callback_done(self, uid: str) -> bool:
        """Somebody at the desk has called back; False where there is no such open callback."""


@dataclass(frozen=True, slots=True)
class DeskNames:
    """What the business calls itself and its things."""

    business: str
    services: Mapping[str, str] = field(default_factory=dict)
    """Service id -> name."""
    resources: Mapping[str, str] = field(default_factory=dict)
    """Resource id -> name."""
