"""Drains the outbox: each due message is handed to the gateway, once.

The rule for a message in doubt (its worker died between claim and answer, or the gateway fell silent after taking
it): a gateway that deduplicates by key gets it again (at least once, seen once); with any other it is marked failed
and the desk sees it (at most once). So no text is ever sent twice, and none is lost without a row that says so.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection

from ari_app import metrics
from ari_app.clock import Clock
from ari_app.errors import SmsFailed, StoreUnavailable
from ari_app.logs import get_logger
from ari_app.sms.gateway import SmsGateway
from ari_app.sms.wording import sendable
from ari_app.store import outbox
from ari_app.store.database import Database
from ari_app.store.outbox import OutboxMessage
from ari_app.store.schema import OutboxState

log = get_logger()

_IN_DOUBT = "in doubt: the worker stopped before the gateway's answer was written down"


class Sender:
    """One worker's sender; several workers share one outbox."""

    def __init__(
        self,
        database: Database,
        gateway: SmsGateway,
        clock: Clock,
        *,
        worker: str,
        retries: int = 5,
        poll_s: float = 1.0,
        send_timeout_s: float = 30.0,
        first_wait_s: float = 5.0,
        longest_wait_s: float = 900.0,
        longest_age_s: float = 86_400.0,
        random_source: random.Random | None = None,
    ) -> None:
        """`worker`: unique among the running workers. A text older than `longest_age_s` is not sent any more."""
        self._database, self._gateway, self._clock, self._worker = database, gateway, clock, worker
        self._retries, self._poll_s, self._send_timeout_s = retries, poll_s, send_timeout_s
        self._first_wait_s, self._longest_wait_s = first_wait_s, longest_wait_s
        self._longest_age = timedelta(seconds=longest_age_s)
        self._lease = timedelta(seconds=2 * send_timeout_s + 10)
        self._random = random_source or random.Random()
        self._woken = asyncio.Event()
        self._is_stopping = False

    def wake(self) -> None:
        """A message was released: look now, don't wait for the next poll."""
        self._woken.set()

    def stop(self) -> None:
        """Let `run` return once the message just being sent is done."""
        self._is_stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Send until `stop`; cancelled, the message just being sent is left in doubt."""
        is_started = False
        while not self._is_stopping:
            try:
                if not is_started:
                    await self.settle(is_start=True)
                    is_started = True
                await self.drain()
            except StoreUnavailable as exc:
                log.warning("sms.store_unavailable", reason=str(exc))
            except Exception:  # supervisor: a bug with one message must not end the sending of all
                log.exception("sms.sender_failed")
            await self._rest()

    async def drain(self) -> int:
        """Send all that is due now, one after another; returns how many were handed over."""
        await self.settle()
        sent = 0
        while not self._is_stopping and (message := await self._claim()):
            sent += await self._deliver(message)
        await self._count_due()
        return sent

    async def settle(self, *, is_start: bool = False) -> None:
        """Decide messages whose worker died while sending; at the start, this worker's former self included."""
        now = self._clock.now()
        worker = self._worker if is_start else ""
        resend, limit = self._gateway.deduplicates, self._retries + 1
        settled = await self._database.run(
            lambda conn: outbox.settle_doubtful(
                conn, now=now, worker=worker, resend=resend, most_attempts=limit, reason=_IN_DOUBT
            )
        )
        for message in settled:
            log.warning("sms.in_doubt", key=message.key, former_worker=message.claimed_by, is_sent_again=resend)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._poll_s * self._random.uniform(0.8, 1.2)):
                await self._woken.wait()
        except TimeoutError:
            return
        if not self._is_stopping:
            self._woken.clear()

    async def _claim(self) -> OutboxMessage | None:
        now = self._clock.now()
        return await self._database.run(
            lambda conn: outbox.claim(conn, worker=self._worker, now=now, lease=self._lease)
        )

    async def _deliver(self, message: OutboxMessage) -> bool:
        text = sendable(message.text)
        if not text:
            return await self._give_up(message, "nothing sendable is left of the text")
        if self._clock.now() - message.held_at > self._longest_age:
            return await self._give_up(message, "too old to be of use")
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await self._gateway.send(message.number, text, message.key)
        except SmsFailed as exc:
            return await self._failed(message, exc)
        except TimeoutError:
            silent = SmsFailed(f"the gateway took longer than {self._send_timeout_s:g} s", is_in_doubt=True)
            return await self._failed(message, silent)
        metrics.SMS.labels("sent").inc()
        log.info("sms.sent", key=message.key, attempt=message.attempts, pii_number=message.number)
        await self._write_down(message, OutboxState.SENT, "")
        return True

    async def _failed(self, message: OutboxMessage, failure: SmsFailed) -> bool:
        if failure.is_permanent:
            return await self._give_up(message, str(failure))
        if failure.is_in_doubt and not self._gateway.deduplicates:
            return await self._give_up(message, f"in doubt: {failure}")
        if message.attempts > self._retries:
            return await self._give_up(message, f"{failure} (tried {message.attempts} times)")
        wait_s = self._wait_s(message.attempts)
        due_at = self._clock.now() + timedelta(seconds=wait_s)
        metrics.SMS.labels("retried").inc()
        log.warning("sms.retried", key=message.key, attempt=message.attempts, wait_s=wait_s, reason=str(failure))
        await self._persist(lambda conn: outbox.put_back(conn, message, due_at=due_at, reason=str(failure)))
        return False

    async def _give_up(self, message: OutboxMessage, reason: str) -> bool:
        metrics.SMS.labels("failed").inc()
        log.error("sms.failed", key=message.key, attempt=message.attempts, reason=reason, pii_number=message.number)
        await self._write_down(message, OutboxState.FAILED, reason)
        return False

    def _wait_s(self, attempts: int) -> float:
        """Doubling, capped, and spread out so that workers don't knock in step."""
        whole = min(self._longest_wait_s, self._first_wait_s * 2.0 ** (attempts - 1))
        return round(whole * self._random.uniform(0.5, 1.0), 3)

    async def _write_down(self, message: OutboxMessage, state: OutboxState, reason: str) -> None:
        now = self._clock.now()
        await self._persist(lambda conn: outbox.finish(conn, message, state=state, now=now, reason=reason))

    async def _persist(self, write: Callable[[Connection], bool]) -> None:
        """Write down what became of a message, trying for as long as the claim lasts."""
        async with asyncio.timeout(self._lease.total_seconds() - self._send_timeout_s):
            while True:
                try:
                    if not await self._database.run(write):
                        log.error("sms.claim_lost")
                    return
                except StoreUnavailable as exc:
                    log.warning("sms.store_unavailable", reason=str(exc))
                    await asyncio.sleep(self._poll_s)

    async def _count_due(self) -> None:
        counted = await self._database.read(outbox.counts)
        metrics.OUTBOX_DUE.set(counted[OutboxState.DUE])
