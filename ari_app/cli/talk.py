"""`ari-app talk`: the same conversation by keyboard, against the configured calendar."""

import asyncio
import itertools
import json
import sys
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import click

from ari_app import logs
from ari_app.booking.build import build_service
from ari_app.booking.service import BookingService
from ari_app.call.actions import Actions
from ari_app.call.conversation import Conversation
from ari_app.call.understanding import Understanding
from ari_app.cli.diary import number_of
from ari_app.cli.stored import config, with_store
from ari_app.clock import Clock, FixedClock, SystemClock
from ari_app.config import Settings, load_settings
from ari_app.dialogue import acts as a
from ari_app.dialogue.business import business_from, vocabulary_for
from ari_app.dialogue.state import State
from ari_app.errors import BadInput, CallerHungUp
from ari_app.store import customers
from ari_app.store.database import Database
from ari_app.understanding.meaning import CallerAct

HELP = "An empty line is silence, /15 presses 1 and 5, Ctrl-D hangs up."


@dataclass(frozen=True, slots=True)
class Screen:
    """Where the conversation is shown: plain lines, or a JSON object a line."""

    is_json: bool
    is_explaining: bool

    def show(self, who: str, text: str, **data: object) -> None:
        if self.is_json:
            click.echo(json.dumps({"who": who, "text": text, **data}, ensure_ascii=False))
            return
        colours = {"agent": "cyan", "caller": "green", "action": "yellow", "result": "yellow"}
        click.secho(f"{who:>7}  {text}", fg=colours.get(who, "white"), bold=who == "agent")
        for key, value in data.items():
            if value and key not in ("text_id", "readings"):
                click.secho(f"{'':>7}  {key}: {value}", dim=True)

    def explain(self, act: CallerAct) -> None:
        """What was understood of a line, and why."""
        if not self.is_explaining:
            return
        blank = CallerAct()
        understood = {
            each.name: str(getattr(act, each.name))
            for each in fields(act)
            if each.name not in ("text", "explanation") and getattr(act, each.name) != getattr(blank, each.name)
        }
        if self.is_json:
            self.show("understood", "", meaning=understood, why=list(act.explanation))
            return
        for name, value in understood.items():
            click.secho(f"{'':>7}  = {name}: {value}", dim=True)
        for reason in act.explanation:
            click.secho(f"{'':>7}    {reason}", dim=True)


@dataclass(frozen=True, slots=True)
class Keyboard:
    """The ear: a line is a turn."""

    understanding: Understanding
    clock: Clock
    screen: Screen

    async def turn(self, listen: a.Listen) -> a.CallerSpoke | a.CallerPressed | a.CallerSilent:
        """The next line; raises CallerHungUp at the end of input."""
        line = (await asyncio.to_thread(_line, not self.screen.is_json)).strip()
        now = self.clock.now()
        if not sys.stdin.isatty():
            self.screen.show("caller", line or "(silence)")
        if not line:
            return a.CallerSilent(now)
        if line.startswith("/"):
            return a.CallerPressed(line[1:].strip(), now)
        act = self.understanding.act_of_text(line, listen.expectation, now)
        self.screen.explain(act)
        return a.CallerSpoke(act, now)


@dataclass(frozen=True, slots=True)
class Printed:
    """The mouth: words appear at once."""

    screen: Screen

    def say(self, text: str, *, is_shielded: bool = False) -> None:
        self.screen.show("agent", text)

    async def drained(self) -> None:
        """Nothing ever waits."""

    @property
    def is_speaking(self) -> bool:
        return False

    def prepare(self, text: str) -> None:
        """Nothing has to be made ahead."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The diary: what is done and what came of it."""

    screen: Screen

    def note(self, kind: str, text: str, **data: str) -> None:
        if kind != "agent":
            self.screen.show(kind, text, **data)

    def turn(self, state: State, event: a.Event, system_acts: tuple[a.SystemAct, ...]) -> None:
        if self.screen.is_explaining:
            asked = [act for act in system_acts if isinstance(act, a.FindOpenings)]
            for act in asked:
                self.screen.show("action", f"look for openings: {act.wish}")


@click.command(name="talk")
@click.option("--now", "now_text", help="The moment of the call, ISO; default: now.")
@click.option("--caller", default="", help="The calling number; default: withheld.")
@click.option("--explain", is_flag=True, help="Show what was understood, and why.")
@click.option("--nobody-home", is_flag=True, help="No human answers a hand-over.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@config
def command(
    now_text: str | None, caller: str, explain: bool, nobody_home: bool, as_json: bool, config: Path | None
) -> None:
    """Talk to the agent by keyboard; what it books is booked in the configured calendar.

    An empty line is silence, /15 presses 1 and 5, Ctrl-D hangs up.

    Example: ari-app talk --now 2026-11-24T09:30 --caller +442079460123 --explain
    """
    settings = load_settings(config)
    if not settings.services:
        raise BadInput("no services are set: write [[services]] and [[resources]] into ari_app.toml")
    clock = _clock(settings, now_text)
    number = number_of(caller, settings) if caller else ""
    screen = Screen(as_json, explain)
    logs.configure(level="error", json=False)
    if not as_json and sys.stdin.isatty():
        click.secho(HELP, dim=True)

    async def run(database: Database) -> None:
        async with build_service(settings, database, clock) as booking:
            await _talk(settings, database, booking, clock, number, screen, is_human_there=not nobody_home)

    with_store(settings, run, may_be_new=True)


async def _talk(
    settings: Settings,
    database: Database,
    booking: BookingService,
    clock: Clock,
    number: str,
    screen: Screen,
    *,
    is_human_there: bool,
) -> None:
    business = business_from(settings)
    row = await database.read(lambda conn: customers.find(conn, number)) if number else None
    customer = None if row is None else a.Customer(number, row.name, row.birth_year, row.pin)
    diary = Shown(screen)

    async def hand_over(act: a.HandOff) -> a.Event | None:
        screen.show("action", f"the scheduling extension hears: {act.summary}")
        return None if is_human_there else a.HandOffFailed("no_answer")

    call_id = f"talk-{uuid4()}"
    keys = itertools.count(1)
    actions = Actions(
        call_id=call_id,
        number=number,
        name=customer.name if customer else "",
        database=database,
        booking=booking,
        catalogue=business.texts,
        clock=clock,
        callback_settings=settings.callbacks,
        hand_over=hand_over,
        note=diary.note,
        next_key=lambda: f"{call_id}-{next(keys)}",
    )
    conversation = Conversation(
        business=business,
        catalogue=business.texts,
        clock=clock,
        ear=Keyboard(Understanding(vocabulary_for(business, customer), business.locale), clock, screen),
        mouth=Printed(screen),
        actor=actions,
        diary=diary,
    )
    appointments = await booking.appointments_of(number, clock.now()) if number else ()
    try:
        await conversation.run(a.CallStarted(clock.now(), number, customer, appointments))
    except CallerHungUp:
        screen.show("caller", "(hangs up)")


def _line(has_prompt: bool) -> str:
    try:
        return input("    you  " if has_prompt and sys.stdin.isatty() else "")
    except EOFError as exc:
        raise CallerHungUp from exc


def _clock(settings: Settings, now_text: str | None) -> Clock:
    zone = settings.business.zone
    if now_text is None:
        return SystemClock(zone)
    try:
        moment = datetime.fromisoformat(now_text)
    except ValueError as exc:
        raise BadInput(f'--now "{now_text}" is no moment: write 2026-11-24T09:30') from exc
    return FixedClock(moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone))
