"""Settings: one TOML file, secrets from the environment, each mistake named by file, key and reason.

A secret is given as `ARI_APP_<SECTION>__<KEY>` (`ARI_APP_ARI__PASSWORD`), which wins over the file. No message shows
the value of a secret, or of anything that came from the environment.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import date, time
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from ari_app.errors import ConfigInvalid

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65535)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]
Extension = Annotated[str, Field(pattern=r"^[0-9A-Za-z_*#+-]{1,40}$")]
"""What may be dialled or named in the dialplan: never a character that means something to it."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_SPAN = re.compile(r"\s*([01]?\d|2[0-3]):([0-5]\d)\s*[-–]\s*(?:([01]?\d|2[0-3]):([0-5]\d)|24:00)\s*")


class Span(_Section):
    """A stretch of one day, written "09:00-17:30"; the day's end is "24:00" or "00:00"."""

    start: time
    end: time

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = _SPAN.fullmatch(value)
        if found is None:
            raise ValueError(f'"{value}" is no span: write "09:00-17:30"')
        start_h, start_min, end_h, end_min = found.groups(default="0")
        return {"start": time(int(start_h), int(start_min)), "end": time(int(end_h), int(end_min))}

    @model_validator(mode="after")
    def _runs_forward(self) -> "Span":
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("opening hours are in the business's own time zone: write no offset")
        if self.end != time(0) and self.end <= self.start:
            raise ValueError(f"{self.start:%H:%M}-{self.end:%H:%M} ends before it starts")
        return self


def _apart(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """In order, none within another."""
    ordered = tuple(sorted(spans, key=lambda span: span.start))
    for before, after in pairwise(ordered):
        if before.end == time(0) or before.end > after.start:
            raise ValueError(
                f"{before.start:%H:%M}-{before.end:%H:%M} and {after.start:%H:%M}-{after.end:%H:%M} overlap"
            )
    return ordered


Week = dict[Weekday, Annotated[tuple[Span, ...], AfterValidator(_apart)]]


class BusinessSettings(_Section):
    name: str = "the practice"
    language: str = "en"
    locale: str = "en-GB"
    timezone: str = "Europe/London"
    country: str = Field("GB", pattern=r"^[A-Z]{2}$")
    """ISO 3166 code: public holidays and the reading of local telephone numbers."""
    subdivision: str | None = None
    address: str = ""
    hours: Week = {}
    closed_on: tuple[date, ...] = ()
    closed_events: str = r"(?i)^(closed|out of office|holiday)\b"
    """An event whose title matches closes its resource's calendar for its time, whatever its TRANSP."""
    observe_holidays: bool = True
    answers: dict[str, str] = {}
    """Free questions and their spoken answers: `parking = "There is parking behind the house."`"""

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as exc:
            raise ValueError(f'"{value}" is no time zone: write one like "Europe/London"') from exc
        return value

    @field_validator("closed_events")
    @classmethod
    def _pattern_compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as exc:
            raise ValueError(f"no regular expression: {exc}") from exc
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class ServiceSettings(_Section):
    id: Identifier
    name: str
    synonyms: tuple[str, ...] = ()
    duration_min: int = Field(30, ge=5, le=24 * 60)
    buffer_before_min: int = Field(0, ge=0)
    buffer_after_min: int = Field(0, ge=0)
    resources: tuple[tuple[Identifier, ...], ...]
    """Needed together, each one of a group: [["anna", "ben"], ["room-1"]] is (Anna or Ben) and room 1."""
    granularity_min: int = Field(15, ge=5)
    lead_time_min: int = Field(120, ge=0)
    horizon_days: int = Field(90, ge=1, le=730)
    price: str = ""

    @field_validator("resources", mode="before")
    @classmethod
    def _flat_list_is_one_group(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
            return (tuple(value),)
        return value

    @field_validator("resources")
    @classmethod
    def _somebody_does_it(cls, value: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        if not value or not all(value):
            raise ValueError('name at least one resource in each group, as in ["anna"]')
        return value


class ResourceSettings(_Section):
    id: Identifier
    name: str
    synonyms: tuple[str, ...] = ()
    calendar: str
    """Path below the CalDAV base URL, or a whole URL."""
    hours: Week | None = None
    """None: the business's hours."""
    breaks: Week = {}
    capacity: int = Field(1, ge=1)


class CaldavSettings(_Section):
    url: HttpUrl = "http://127.0.0.1:5232/"
    user: str = ""
    password: SecretStr = SecretStr("")
    timeout_s: Seconds = 2.0
    poll_s: Seconds = 30.0
    quirks: str = ""
    """Name of a caldav compatibility profile ("sogo", "zimbra", ...); empty: found out by asking."""


class AriSettings(_Section):
    url: HttpUrl = "http://127.0.0.1:8088"
    user: str = "booking"
    password: SecretStr = SecretStr("")
    application: str = "booking"
    request_timeout_s: Seconds = 3.0
    ping_s: Seconds = 1.0


class AmiSettings(_Section):
    host: str = "127.0.0.1"
    port: Port = 5038
    user: str = "ari_app"
    password: SecretStr = SecretStr("")
    timeout_s: Seconds = 2.0


class FastagiSettings(_Section):
    host: str = "127.0.0.1"
    port: Port = 4573
    blocked: tuple[str, ...] = ()
    """Callers (E.164) that are sent to the human at once."""


class SpeechSettings(_Section):
    recogniser: str = "lab-en-us"
    voice: str = "en_US-lab-low"
    models_dir: Path | None = None
    """None: the `models/` of the checkout, else `$XDG_DATA_HOME/ari-app/models`."""
    cache_dir: Path | None = None
    """None: `$XDG_CACHE_HOME/ari-app/phrases`."""
    cache_bytes: int = Field(500_000_000, ge=1_000_000)
    threads: int = Field(2, ge=1)
    length_scale: float = Field(1.0, ge=0.5, le=2.0)
    prerender_days: int = Field(21, ge=0)


class TurnSettings(_Section):
    """When a turn ends, in seconds of audio."""

    closed_silence_s: Seconds = 0.18
    complete_silence_s: Seconds = 0.35
    open_silence_s: Seconds = 0.7
    unfinished_silence_s: Seconds = 1.4
    no_input_s: Seconds = 7.0
    hold_on_s: Seconds = 60.0
    max_utterance_s: Seconds = 30.0
    barge_in: Literal["yield", "stop"] = "yield"
    """What the agent does when spoken over, until it knows whether it was more than an "okay": speak on, but low; or
    be silent at once, which an "okay" then does, too. A question that "okay" answers is always stopped for it."""
    barge_in_speech_s: Seconds = 0.12
    slow_speaker_factor: float = Field(1.5, ge=1.0, le=4.0)
    shield_notice: bool = False
    """True: the first sentence (the notice that an automated assistant speaks) can't be interrupted."""
    baseline: bool = False
    """True: the plain way (fixed silence, no early commit, no cache); for measuring beside the real one."""


class DialogueSettings(_Section):
    identity: Literal["none", "name", "birth_year", "pin"] = "name"
    ask_name: bool = True
    """Callers whom the store doesn't know are asked for their name before a booking is read back."""
    ask_number: bool = True
    """Callers whose number is withheld are asked for one then."""
    max_misunderstandings: int = Field(2, ge=1)
    offers: int = Field(2, ge=1, le=3)
    reprompts: int = Field(2, ge=1)


class StoreSettings(_Section):
    url: str = "sqlite:///ari_app.db"
    retention_days: int = Field(30, ge=1)


class SmsSettings(_Section):
    gateway: Literal["sip", "http", "smpp", "none"] = "none"
    sender: str = ""
    url: str = ""
    """http gateway: a POST is sent here."""
    template: str = ""
    """http gateway: a JSON object or a form with ${to}, ${from}, ${text}, ${key}; empty: all four as JSON."""
    deduplicates: bool = False
    """http gateway: the service promises to send a repeated Idempotency-Key once; what is in doubt is sent again."""
    user: str = ""
    password: SecretStr = SecretStr("")
    host: str = ""
    port: Port = 2775
    retries: int = Field(5, ge=0)
    sip_endpoint: str = "{number}"
    """PJSIP endpoint of a number: {number} is +44..., {digits} is 44...; empty: only those of sip_endpoints."""
    sip_endpoints: dict[str, str] = {}
    """E.164 number -> PJSIP endpoint."""


class HandoffSettings(_Section):
    extension: Extension = "200"
    """The scheduling extension where the dialplan names no original callee."""
    allowed: tuple[Extension, ...] = ("200",)
    """Extensions that may be rung, and nothing else."""
    endpoints: dict[str, str] = {}
    """Extension -> dial string; default PJSIP/<extension>."""
    ladder: tuple[str, ...] = ()
    """Further allowed extensions, or queues as "queue:NAME", in order."""
    queue_context: Extension = "handoff-queue"
    """dialplan/handoff.conf: where a queue of the ladder is joined."""
    voicemail_context: str = Field("", pattern=r"^[\w-]*$")
    """Where the ladder is at its end the caller goes to this context at s,1, such as "voicemail" of
    dialplan/fallback.conf; empty: a callback is promised instead."""
    ring_s: Seconds = 20.0
    whisper: bool = True
    return_key: str = "*7"
    context: Extension = "handoff"

    @model_validator(mode="after")
    def _extension_is_allowed(self) -> "HandoffSettings":
        if self.extension not in self.allowed:
            raise ValueError(f'extension "{self.extension}" may not be rung: add it to handoff.allowed')
        return self


class CallbackSettings(_Section):
    auto: bool = False
    """Ring the desk when its phone is free, then the customer, and connect the two."""
    dial: str = Field("", pattern=r"^([A-Za-z0-9]+/[^&|,]*\{(number|digits)\}[^&|,]*)?$")
    """Dial string of a customer: {number} is +44..., {digits} is 44..., as "PJSIP/{number}@trunk"; `auto` needs it.
    Only numbers of the business's own country are dialled."""
    caller_id: str = ""
    """The number that a customer is shown."""
    desk_number: str = ""
    """Is sent a text for each promised callback, where texts are sent."""
    calendar: str = "callbacks/"
    due_min: int = Field(120, ge=1)


class ConsoleSettings(_Section):
    host: str = "127.0.0.1"
    port: Port = 8780
    token: SecretStr = SecretStr("")
    """Asked of every visitor; needed where the host isn't a loopback address."""


class SentinelSettings(_Section):
    socket: Path = Path("/run/ari-app/sentinel.sock")
    heartbeat_s: Seconds = 0.3
    silent_s: Seconds = 1.5
    grace_s: Seconds = 1.0
    fallback_context: Extension = "fallback"
    ami_user: str = ""
    """An AMI user of its own with the rights `call,reporting`; empty: the [ami] section's user and password."""
    ami_password: SecretStr = SecretStr("")
    state: Path | None = None
    """Where the last known channels are kept across the sentinel's restart; None: sentinel.json beside the socket."""

    @model_validator(mode="after")
    def _beats_before_it_is_silent(self) -> "SentinelSettings":
        if self.heartbeat_s * 2 > self.silent_s:
            raise ValueError(f"heartbeat_s {self.heartbeat_s} is too slow: at most half of silent_s {self.silent_s}")
        return self

    @property
    def state_path(self) -> Path:
        return self.state or self.socket.with_name("sentinel.json")


class WorkerSettings(_Section):
    name: str = "booking-1"
    capacity: int = Field(16, ge=1)
    drain_s: Seconds = 30.0


class LogSettings(_Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"
    shows_pii: bool = False
    """True: names, numbers and words of callers are in the log. For the lab only."""


class LabSettings(_Section):
    clock_offset_days: int = 0
    events_dir: Path | None = None
    """Each call's events are written here, with what was said: for the demo, never with real callers."""


class Settings(_Section):
    """Everything; sections may be left out where their defaults serve."""

    business: BusinessSettings = BusinessSettings()
    services: tuple[ServiceSettings, ...] = ()
    resources: tuple[ResourceSettings, ...] = ()
    caldav: CaldavSettings = CaldavSettings()
    ari: AriSettings = AriSettings()
    ami: AmiSettings = AmiSettings()
    fastagi: FastagiSettings = FastagiSettings()
    speech: SpeechSettings = SpeechSettings()
    turns: TurnSettings = TurnSettings()
    dialogue: DialogueSettings = DialogueSettings()
    store: StoreSettings = StoreSettings()
    sms: SmsSettings = SmsSettings()
    handoff: HandoffSettings = HandoffSettings()
    callbacks: CallbackSettings = CallbackSettings()
    console: ConsoleSettings = ConsoleSettings()
    sentinel: SentinelSettings = SentinelSettings()
    worker: WorkerSettings = WorkerSettings()
    log: LogSettings = LogSettings()
    lab: LabSettings = LabSettings()

    @model_validator(mode="after")
    def _names_agree(self) -> "Settings":
        resources = {resource.id for resource in self.resources}
        if len(resources) != len(self.resources):
            raise ValueError("resources: two have the same id")
        if len({service.id for service in self.services}) != len(self.services):
            raise ValueError("services: two have the same id")
        for service in self.services:
            for group in service.resources:
                for name in group:
                    if name not in resources:
                        raise ValueError(f'services: "{service.id}" needs resource "{name}", which isn\'t defined')
        match self.sms.gateway:
            case "http" if not re.match(r"https?://[^\s/]+", self.sms.url):
                raise ValueError("sms.url: the http gateway needs a URL to send to")
            case "smpp" if not self.sms.host:
                raise ValueError("sms.host: the smpp gateway needs a host")
        return self


def load_settings(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read `path` (None: `$ARI_APP_CONFIG`, then ./ari_app.toml, then defaults); raise ConfigInvalid."""
    found = path or _configured_path(environ)
    shown = str(found or "ari_app.toml")
    data: dict[str, Any] = {}
    if found is not None:
        data = _read_toml(found)
    try:
        return Settings.model_validate(_with_environment(data, environ))
    except ValidationError as exc:
        raise _mistake(exc, shown, environ) from exc


def _configured_path(environ: Mapping[str, str]) -> Path | None:
    if named := environ.get("ARI_APP_CONFIG"):
        return Path(named)
    local = Path("ari_app.toml")
    return local if local.exists() else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError as exc:
        raise ConfigInvalid(str(path), "(file)", "does not exist") from exc
    except OSError as exc:
        raise ConfigInvalid(str(path), "(file)", f"can't be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigInvalid(str(path), "(file)", f"isn't UTF-8 (byte {exc.start}): save it as UTF-8") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigInvalid(str(path), "(file)", f"isn't TOML: {exc}") from exc


def _with_environment(data: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for name, value in environ.items():
        section, separator, key = name.removeprefix("ARI_APP_").lower().partition("__")
        if name.startswith("ARI_APP_") and separator:
            target = merged.setdefault(section, {})
            if isinstance(target, dict):
                target[key] = value
    return merged


def _mistake(exc: ValidationError, shown: str, environ: Mapping[str, str]) -> ConfigInvalid:
    """The first thing that is wrong: where it stands, its key, why, and what was given unless that may be a secret."""
    first = exc.errors(include_url=False)[0]
    where = tuple(part for part in first["loc"] if part != "[key]")
    variable = f"ARI_APP_{'__'.join(str(part) for part in where[:2])}".upper()
    named = next((name for name in environ if name.upper() == variable), None)
    key = ".".join(str(part) for part in where)
    text = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        text = _unknown(where)
    elif not key:
        key, _, text = text.partition(": ")
    given = first.get("input")
    is_shown = isinstance(given, str | int | float) and len(repr(given)) <= 60 and repr(given)[1:-1] not in text
    if named is None and is_shown and first["type"] != "extra_forbidden" and not _SECRET.search(key):
        text = f"{text} (got {given!r})"
    return ConfigInvalid(f"environment variable {named}" if named else shown, key, text)


_SECRET = re.compile(r"password|token|secret|pin$")


def _unknown(where: tuple[int | str, ...]) -> str:
    """There is no such key; the one that was probably meant."""
    section: type[BaseModel] | None = Settings
    for part in where[:-1]:
        field = section.model_fields.get(str(part)) if section is not None else None
        section = _section_of(field.annotation) if field is not None else section
    known = list(section.model_fields) if section is not None else []
    near = difflib.get_close_matches(str(where[-1]), known, n=1)
    return (
        f"there is no such key; did you mean {near[0]}?" if near else f"there is no such key; known: {', '.join(known)}"
    )


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a field's type holds, one or a list of them."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
