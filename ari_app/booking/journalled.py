"""The journal's side of a step: opened before the calendar is touched, ended in one transaction with hold and text.

One transaction opens the step: its journal entry, its holds, its text `held`. One ends it: entry `done`, holds gone,
text `due` (or entry `undone`, text dropped). So the text exists exactly when the booking stands, whatever dies when.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ari_app.booking.availability import Diary, block
from ari_app.booking.owner import is_dead, this_process
from ari_app.booking.plan import Plan, from_payload
from ari_app.store import booking_journal as journal
from ari_app.store import holds, outbox
from ari_app.store.booking_journal import Step, StepState
from ari_app.store.database import Database
from ari_app.store.holds import Hold

LEASE = timedelta(seconds=60)
"""Longer than any step can take: after it, a step whose process can't be seen is taken over."""


class Journalled:
    """Opening, ending and taking over steps in the store; raises StoreUnavailable."""

    def __init__(self, database: Database, diary: Diary, *, now: Callable[[], datetime], settled: timedelta) -> None:
        self._database, self._diary, self._now = database, diary, now
        self._settled = settled
        self._owner = this_process()

    async def open(self, plan: Plan, *, number: str, sms_text: str) -> Step | None:
        """Open the step, hold its time and its text; None: opened. Else what is known of it. Raises OpeningTaken."""
        now = self._now()

        def begin(conn: Connection) -> Step | None:
            known = journal.begin(
                conn, key=plan.key, kind=plan.kind, owner=self._owner, payload=plan.payload(), now=now, lease=LEASE
            )
            if known is None:
                holds.take(conn, self._wanted(plan), key=plan.key, now=now)
                outbox.hold(conn, key=plan.key, number=number, text=sms_text, now=now)
            return known

        return await self._database.run(begin)

    async def note(self, plan: Plan) -> bool:
        """Write down another place before it is used; False where the step was taken over."""
        now = self._now()
        return await self._database.run(
            lambda conn: journal.note(conn, key=plan.key, owner=self._owner, payload=plan.payload(), now=now)
        )

    async def done(self, plan: Plan) -> bool:
        """The step stands, its text may go; False where another worker took it over meanwhile."""
        return await self._end(plan, StepState.DONE)

    async def undone(self, plan: Plan) -> bool:
        """Nothing of the step is left; False where another worker took it over meanwhile."""
        return await self._end(plan, StepState.UNDONE)

    async def leave_undoing(self, plan: Plan, *, again_in: timedelta) -> bool:
        """It isn't sure yet that nothing is left: keep the hold and look again."""
        now = self._now()
        return await self._database.run(
            lambda conn: journal.settle(
                conn,
                key=plan.key,
                owner=self._owner,
                state=StepState.UNDOING,
                now=now,
                payload=plan.payload(),
                leased_until=now + again_in,
            )
        )

    async def find(self, key: str) -> Step | None:
        """What is known of a step."""
        return await self._database.read(lambda conn: journal.find(conn, key))

    async def unfinished(self) -> list[Plan]:
        """Every step that is neither done nor undone, as it stands in the journal."""
        return [from_payload(step.payload) for step in await self._database.read(journal.unfinished)]

    async def unconfirmed(self, *, within: timedelta) -> list[Plan]:
        """Every step that isn't done, those that were undone `within` the last while among them."""
        since = self._now() - within
        steps = await self._database.read(lambda conn: journal.unconfirmed(conn, since=since))
        return [from_payload(step.payload) for step in steps]

    async def claim(self, running: frozenset[str]) -> list[tuple[Step, Plan]]:
        """Steps left behind by dead workers, and own ones to be looked at again; not those that are `running`."""
        now = self._now()
        steps = await self._database.run(
            lambda conn: journal.claim(conn, owner=self._owner, is_dead=is_dead, now=now, lease=LEASE, running=running)
        )
        return [(step, from_payload(step.payload)) for step in steps]

    async def forget(self, *, older_than: timedelta) -> int:
        """Drop ended steps from the journal."""
        before = self._now() - older_than
        return await self._database.run(lambda conn: journal.forget(conn, before=before))

    def settled_at(self) -> datetime:
        """From when on no request of a step that ends now can still be under way."""
        return self._now() + self._settled

    def is_past(self, moment: datetime) -> bool:
        """Whether this moment has come."""
        return moment <= self._now()

    async def _end(self, plan: Plan, state: StepState) -> bool:
        now = self._now()

        def end(conn: Connection) -> bool:
            if not journal.settle(conn, key=plan.key, owner=self._owner, state=state, now=now, payload=plan.payload()):
                return False
            holds.let_go(conn, key=plan.key)
            if state is StepState.DONE:
                outbox.release(conn, key=plan.key, now=now)
            else:
                outbox.discard(conn, key=plan.key)
            return True

        return await self._database.run(end)

    def _wanted(self, plan: Plan) -> list[Hold]:
        if plan.request is None:
            return []
        opening = plan.opening
        kept = block(
            self._diary.services[opening.service], int(opening.start.timestamp()), int(opening.end.timestamp())
        )
        return [Hold(name, *kept, self._diary.resources[name].capacity) for name in opening.resources]
