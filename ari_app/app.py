"""Builds a worker out of the settings and runs it: the only place that picks technologies."""

import asyncio
import functools
import gc
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

from ari_app import metrics
from ari_app.asterisk.ami import Ami
from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.fastagi import Decision, FastAgi, RouteRequest
from ari_app.booking.build import build_service
from ari_app.call.answering import Answering
from ari_app.call.callbacks import Callbacks
from ari_app.call.heartbeat import Heartbeat
from ari_app.call.orphans import SentinelNews
from ari_app.call.registry import CallEvent, Registry
from ari_app.call.session import Switchboard, apology_of
from ari_app.call.understanding import Understanding
from ari_app.clock import Clock, SystemClock
from ari_app.config import Settings
from ari_app.console.desk import Desk
from ari_app.console.server import Console
from ari_app.console.views import Check, DeskNames
from ari_app.dialogue.business import Business, business_from, vocabulary_for
from ari_app.errors import AriAppError, AriUnavailable, StoreUnavailable
from ari_app.logs import get_logger
from ari_app.sms.gateway import SmsGateway
from ari_app.sms.http_gateway import HttpGateway
from ari_app.sms.sender import Sender
from ari_app.sms.sip_gateway import SipGateway, endpoint_by_template
from ari_app.sms.smpp_gateway import SmppGateway
from ari_app.speech.factory import build_recogniser, build_synthesiser
from ari_app.speech.piper_synthesiser import PiperSynthesiser
from ari_app.store import customers, retention
from ari_app.store.database import Database
from ari_app.store.migrate import migrate
from ari_app.store.numbers import to_e164
from ari_app.understanding.meaning import Expectation, Slot

log = get_logger()

CONNECT_S = 30.0
PURGE_EVERY_S = 6 * 3600.0
FASTAGI_RETRY_S = 5.0
SWITCH_S = 0.001
"""The loop waits no longer than this for each thread that is at work; 5 ms, as Python comes, add up to a late frame."""
PRERENDER_STEP = timedelta(minutes=15)


@dataclass(slots=True)
class Worker:
    """A running worker."""

    settings: Settings
    board: Switchboard
    answering: Answering
    sender: Sender | None
    console: Console
    is_prerendered: bool = False


async def serve(
    settings: Settings,
    *,
    say: Callable[[str], None] = lambda _line: None,
    closing: Callable[[], None] = lambda: None,
) -> None:
    """Run one worker until SIGTERM or SIGINT; then finish running calls within `drain_s`.

    `say` gets a line for each step of the start; `closing` is called when no more than the closing is left, which a
    thread that stands still inside a library would never let end. Raises what stands in the way of starting.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with building(settings, say=say) as worker, asyncio.TaskGroup() as group, metrics.loop_watched():
        tasks = [group.create_task(each) for each in _duties(worker, say)]
        _settle_memory()
        sys.setswitchinterval(SWITCH_S)
        say(f"ready: {settings.worker.name} answers calls, {worker.console.url} shows them")
        await stop.wait()
        say("stopping: no new calls")
        worker.board.registry.is_draining = True
        if worker.sender is not None:
            worker.sender.stop()
        try:
            async with asyncio.timeout(settings.worker.drain_s):
                await worker.board.registry.wait_only_humans()
        except TimeoutError:
            log.warning("worker.handing_over", calls=len(worker.board.registry.calls))
        closing()
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def building(settings: Settings, *, say: Callable[[str], None]) -> AsyncIterator[Worker]:
    """Everything a worker is made of, connected; closed in reverse order."""
    clock = SystemClock(settings.business.zone, timedelta(days=settings.lab.clock_offset_days))
    business = business_from(settings)
    async with AsyncExitStack() as stack:
        say("database")
        await asyncio.to_thread(migrate, settings.store.url)
        database = await stack.enter_async_context(Database(settings.store.url))
        say("models")
        recogniser, synthesiser = await asyncio.gather(
            asyncio.to_thread(build_recogniser, settings), asyncio.to_thread(build_synthesiser, settings)
        )
        await asyncio.to_thread(_learn_to_understand, business, clock)
        stack.callback(recogniser.close)
        stack.callback(synthesiser.close)
        apology = await synthesiser.render(apology_of(business))
        say("calendar")
        booking = await stack.enter_async_context(build_service(settings, database, clock))
        say("Asterisk")
        ami = await stack.enter_async_context(Ami(settings.ami))
        ari = await stack.enter_async_context(AriClient(settings.ari, application=settings.worker.name))
        await ari.wait_connected(CONNECT_S)
        news = SentinelNews()
        heartbeat = await stack.enter_async_context(
            Heartbeat(
                settings.sentinel,
                settings.worker.name,
                on_orphans=news.orphans.put_nowait,
                on_taken=news.taken.put_nowait,
            )
        )
        registry = Registry(settings.worker.capacity)
        board = Switchboard(
            settings,
            ari,
            ami,
            booking,
            database,
            recogniser,
            synthesiser,
            business,
            clock,
            registry,
            heartbeat,
            apology,
        )
        gateway = build_gateway(settings, ari, ami)
        sender = None
        if gateway is not None:
            stack.push_async_callback(gateway.close)
            sender = Sender(database, gateway, clock, worker=settings.worker.name, retries=settings.sms.retries)
        answering = Answering(board, settings.worker.name, news)
        desk = Desk(clock, registry, booking, database)
        names = DeskNames(
            business.name,
            {each.id: each.name for each in settings.services},
            {each.id: each.name for each in settings.resources},
        )
        console = await stack.enter_async_context(Console(settings.console, desk, names, _checks(board)))
        yield Worker(settings, board, answering, sender, console)


def _learn_to_understand(business: Business, clock: Clock) -> None:
    """Read the grammar and understand something once: half a second that the first caller would have to wait."""
    understanding = Understanding(vocabulary_for(business, None), business.locale)
    everything = Expectation(slots=frozenset(Slot), prompt="Which day would you like?")
    understanding.act_of_text("book a cleaning next tuesday at half past three", everything, clock.now())
    understanding.phrases(everything, clock.now())


def build_gateway(settings: Settings, ari: AriClient, ami: Ami) -> SmsGateway | None:
    """The configured way to send texts; None: none are sent."""
    sms = settings.sms
    match sms.gateway:
        case "sip":
            endpoint_of = endpoint_by_template(sms.sip_endpoint, dict(sms.sip_endpoints))
            return SipGateway(ari, ami, endpoint_of=endpoint_of, from_uri=sms.sender)
        case "http":
            return HttpGateway(
                sms.url,
                user=sms.user,
                password=sms.password.get_secret_value(),
                sender=sms.sender,
                template=sms.template,
                deduplicates=sms.deduplicates,
            )
        case "smpp":
            return SmppGateway(
                sms.host, sms.port, user=sms.user, password=sms.password.get_secret_value(), sender=sms.sender
            )
        case "none":
            return None


def _checks(board: Switchboard) -> Mapping[str, Check]:
    async def ari() -> None:
        if not board.ari.is_connected:
            raise AriUnavailable(board.settings.ari.url, "the event socket is down")

    async def database() -> None:
        await board.database.read(lambda conn: customers.listed(conn, limit=1))

    return {"ari": ari, "database": database}


def _duties(worker: Worker, say: Callable[[str], None]) -> Iterator[Coroutine[None, None, None]]:
    board = worker.board
    yield worker.answering.run()
    yield _prerender(worker, say)
    yield _route(board)
    yield _purge(board)
    yield Callbacks(board, worker.settings.worker.name).run()
    if worker.sender is not None:
        yield worker.sender.run()
    if (folder := worker.settings.lab.events_dir) is not None:
        yield _write_events(board.registry, folder)


async def _prerender(worker: Worker, say: Callable[[str], None]) -> None:
    """Make what is often said ahead: fixed texts, the next weeks' days, all bookable times, the services."""
    settings, synthesiser = worker.settings, worker.board.synthesiser
    if settings.turns.baseline or not isinstance(synthesiser, PiperSynthesiser):
        return
    texts = prerender_texts(worker.board.business, worker.board.clock, days=settings.speech.prerender_days)
    made = await synthesiser.prerender(texts, progress(say))
    worker.is_prerendered = True
    _settle_memory()
    say(f"{made} phrases made ahead")


def progress(say: Callable[[str], None]) -> Callable[[int, int], None]:
    """A line at each quarter."""

    def tell(done: int, total: int) -> None:
        if done * 4 // total > (done - 1) * 4 // total:
            say(f"phrases: {done} of {total}")

    return tell


def _settle_memory() -> None:
    """What has been built stays: the collector needn't look through it again, for 0.1 s and more, under a call."""
    gc.collect()
    gc.freeze()


def prerender_texts(business: Business, clock: Clock, *, days: int) -> list[str]:
    """What the phrase cache should hold for this business."""
    today = clock.now().date()
    opens, closes = business.vocabulary.opens, business.vocabulary.closes
    at = datetime.combine(today, opens)
    times: list[time] = []
    while at.date() == today and at.time() <= closes:
        times.append(at.time())
        at += PRERENDER_STEP
    return business.texts.prerender_texts(
        [service.name for service in business.services.values()],
        [today + timedelta(days=day) for day in range(days + 1)],
        times,
        clock.now(),
    )


async def _route(board: Switchboard) -> None:
    """Serve the dialplan's question who takes a call; where another worker does so already, wait to replace it."""
    settings = board.settings.fastagi
    route = functools.partial(
        route_of_caller, board.database, blocked=settings.blocked, country=board.settings.business.country
    )
    while True:
        try:
            async with FastAgi(settings, route):
                await asyncio.Event().wait()
        except OSError:
            await asyncio.sleep(FASTAGI_RETRY_S)


async def route_of_caller(
    database: Database, request: RouteRequest, *, blocked: Collection[str], country: str
) -> Decision:
    """Who takes this caller: the agent, or where the number is blocked a human; with the name that is known."""
    number = to_e164(request.caller_number, country)
    if number and number in blocked:
        return Decision("human")
    try:
        known = await database.read(lambda conn: customers.find(conn, number)) if number else None
    except StoreUnavailable:
        known = None
    return Decision("agent", caller_name=known.name if known else "")


async def _purge(board: Switchboard) -> None:
    """Forget what is older than the settings keep it."""
    while True:
        before = board.clock.now() - timedelta(days=board.settings.store.retention_days)
        try:
            purged = await board.database.run(functools.partial(retention.purge, before=before))
            log.info("store.purged", calls=purged.calls, texts=purged.texts)
        except StoreUnavailable as exc:
            log.warning("store.unpurged", reason=str(exc))
        await asyncio.sleep(PURGE_EVERY_S)


async def _write_events(registry: Registry, folder: Path) -> None:
    """The lab's event log: a file of JSON lines for each call."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    numbers: dict[str, str] = {}
    with registry.watch() as events:
        while True:
            event = await events.get()
            if call := registry.calls.get(event.call_id):
                numbers[event.call_id] = call.number
            await asyncio.to_thread(_append, folder, event, numbers.get(event.call_id, ""))


def _append(folder: Path, event: CallEvent, number: str) -> None:
    line = {"at": event.at.isoformat(), "at_s": round(event.at_s, 3), "number": number}
    line |= {"kind": event.kind, "text": event.text, **dict(event.data)}
    with (folder / f"{event.call_id}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def start_failed(exc: AriAppError) -> str:
    """One line for the admin."""
    return f"could not start: {exc}; `ari-app check` tests each part"
