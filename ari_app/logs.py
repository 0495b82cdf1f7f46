"""The log: one well-formed line an event on stderr, with what callers say, their names and numbers removed.

    log = get_logger()
    with call_bound(call_id="9f2c"):
        log.info("call.answered", wait_s=1.2, pii_name="Jane Doe")

Everything private goes under a `pii_*` key, whose value never leaves the process (but in the lab). Telephone
numbers that slip into another field are masked to their last two digits.
"""

import logging
import math
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

REMOVED = "[removed]"
LONGEST_TEXT = 1000
LONGEST_TRACE = 20_000
_MOST_ITEMS = 50
_DEEPEST = 4

_INTERNATIONAL = re.compile(r"\+\d(?:[ ().-]{0,2}\d){6,14}(?!\d)")
_NATIONAL = re.compile(r"(?<![\w.+:-])\(?0\d{2,4}\)?[ -]\d{3,4}[ -]?\d{3,4}(?![\w.-]*\d|\w)")
_BARE = re.compile(r"(?<![\w.+:-])\d{8,15}(?![\w.-]*\d|\w)")
_URI_USER = re.compile(r"(?:(?<=sip:)|(?<=sips:)|(?<=tel:))\+?\d{6,15}")
_CHANNEL_NAME = re.compile(r"(?<=PJSIP/|Local/)\+?\d{7,15}(?=[-@])")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def configure(level: str = "info", json: bool = True, *, shows_pii: bool = False) -> None:
    """Send every event of this process, the libraries' own included, through one pipeline to stderr.

    `level`: debug, info, warning, error. `json` False: coloured lines for a terminal. `shows_pii`: the lab only.
    May be called again; the newest call counts.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    gather: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render: list[Processor] = [Redactor(shows_pii=shows_pii), _json_renderer() if json else _console_renderer()]
    structlog.configure(
        processors=[*gather, *render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_stderr_logger,
        cache_logger_on_first_use=False,
    )
    _adopt_libraries(number, gather, render)


def get_logger() -> FilteringBoundLogger:
    """The process's log; safe to take at import, before `configure`."""
    if not structlog.is_configured():
        configure("warning", json=False)
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


@contextmanager
def call_bound(**fields: object) -> Iterator[None]:
    """Put `fields` (call_id above all) on each event of this task and of the tasks it starts."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


class Redactor:
    """Takes the values of `pii_*` keys away, masks numbers, and makes every value printable on one line."""

    def __init__(self, *, shows_pii: bool = False) -> None:
        self._shows_pii = shows_pii

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {_plain(str(key), 80): self._value(str(key), value, _DEEPEST) for key, value in event.items()}

    def _value(self, key: str, value: object, depth: int) -> object:
        if key.startswith("pii_") and not self._shows_pii:
            return REMOVED
        match value:
            case None | bool():
                return value
            case int():
                return int(value) if abs(value) < 2**63 else str(value)
            case float():
                return value if math.isfinite(value) else str(value)
            case str():
                return self._text(value, LONGEST_TRACE if key == "exception" else LONGEST_TEXT, key)
            case Mapping() if depth:
                items = list(value.items())[:_MOST_ITEMS]
                return {_plain(str(name), 80): self._value(str(name), item, depth - 1) for name, item in items}
            case list() | tuple() | set() | frozenset() if depth:
                return [self._value(key, item, depth - 1) for item in list(value)[:_MOST_ITEMS]]
            case _:
                return self._text(_printed(value), LONGEST_TEXT, key)

    def _text(self, text: str, longest: int, key: str) -> str:
        if key != "timestamp" and not self._shows_pii:
            text = masked(text)
        if key == "exception":
            return "\n".join(_plain(line, longest) for line in text[-longest:].splitlines())
        return _plain(text, longest)


def masked(text: str) -> str:
    """`text` with all but the last two digits of each telephone number replaced."""
    for pattern in (_URI_USER, _CHANNEL_NAME, _INTERNATIONAL, _NATIONAL, _BARE):
        text = pattern.sub(_mask, text)
    return text


def _mask(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found[0])
    return f"{'+' if found[0].startswith('+') else ''}***{digits[-2:]}"


def _plain(text: str, longest: int) -> str:
    """Printable on one line: controls, line separators, direction marks and lone surrogates escaped."""
    cut = text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), cut)


def _printed(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a field that can't be printed must not end a call
        return f"<unprintable {type(value).__name__}>"


def _json_renderer() -> Processor:
    return structlog.processors.JSONRenderer(ensure_ascii=True)


def _console_renderer() -> Processor:
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        exception_formatter=structlog.dev.plain_traceback,
        pad_event_to=28,
        sort_keys=False,
        repr_native_str=False,
    )

    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        trace = event.pop("exception", None)
        line: str = console(logger, method, event)
        return line if trace is None else f"{line}\n{textwrap.indent(str(trace), '  | ')}"

    return render


def _stderr_logger(*_: object) -> structlog.WriteLogger:
    return structlog.WriteLogger(sys.stderr)


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Follows sys.stderr, as the structlog side does."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _adopt_libraries(level: int, gather: list[Processor], render: list[Processor]) -> None:
    handler = _StderrHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *gather],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _StderrHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
