"""What a dead worker left: finished where the caller can be told so truly, else undone.

A booking that wasn't confirmed was told to nobody: it is undone. A move or a cancellation whose old event is gone has
happened: it is finished, and its text says so; else it is undone.

A request that was under way when its worker died may land late. A DELETE of the old event names the ETag that it was
read with, so writing that event anew, with a mark, makes any late one miss: only then is the step undone. A PUT of a
new event can't be headed off like that: a step counts as undone only after a second look some seconds later, and its
hold stays until then.
"""

from dataclasses import replace
from datetime import timedelta

from ari_app.booking.journalled import Journalled
from ari_app.booking.plan import Plan
from ari_app.booking.steps import CalendarSteps
from ari_app.errors import BookingError
from ari_app.logs import get_logger
from ari_app.store.booking_journal import Step

log = get_logger()


class Recovery:
    """Sweeps up unfinished steps."""

    again_in = timedelta(seconds=3)

    def __init__(self, steps: CalendarSteps, journalled: Journalled) -> None:
        self._steps, self._journalled = steps, journalled

    async def sweep(self, running: frozenset[str]) -> int:
        """Look at every step that nobody works on; how many are still in doubt. Raises StoreUnavailable."""
        doubtful = 0
        for step, plan in await self._journalled.claim(running):
            try:
                doubtful += not await self._settle(step, plan)
            except BookingError as exc:
                log.warning("booking.recovery_postponed", key=step.key, reason=str(exc))
                await self._journalled.leave_undoing(plan, again_in=self.again_in)
                doubtful += 1
        return doubtful

    async def _settle(self, step: Step, plan: Plan) -> bool:
        """Finish or undo one step; False where it must be looked at again."""
        if plan.old is not None and plan.is_removing:
            if not await self._steps.keep(plan.old):
                await self._steps.remove(await self._steps.still_there(plan.old))
                log.info("booking.step_finished", key=step.key, kind=plan.kind.value)
                return await self._journalled.done(plan)
            plan = replace(plan, is_removing=False)
            await self._journalled.note(plan)
        if plan.request is None:
            log.info("booking.step_undone", key=step.key, kind=plan.kind.value)
            return await self._journalled.undone(plan)
        await self._steps.undo(plan)
        if plan.final_after is None or not self._journalled.is_past(plan.final_after):
            waiting = replace(plan, final_after=plan.final_after or self._journalled.settled_at())
            await self._journalled.leave_undoing(waiting, again_in=self.again_in)
            return False
        log.info("booking.step_undone", key=step.key, kind=plan.kind.value)
        return await self._journalled.undone(plan)
