"""WebDAV and CalDAV bodies: what is asked, and what a multistatus answers (RFC 4791, 4918, 6578)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit
from xml.sax.saxutils import escape

DAV = "{DAV:}"
CALDAV = "{urn:ietf:params:xml:ns:caldav}"
_NAMESPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
_HEAD = '<?xml version="1.0" encoding="utf-8"?>'
_PATH_SAFE = "/@:!$&'()*+,;=~-._"


class Element(Protocol):
    """An element of a parsed answer, as lxml has it."""

    tag: str
    text: str | None

    def find(self, path: str) -> "Element | None": ...
    def iterfind(self, path: str) -> "Iterator[Element]": ...
    def get(self, key: str) -> str | None: ...
    def __iter__(self) -> "Iterator[Element]": ...


@dataclass(frozen=True, slots=True)
class Answer:
    """One <response>: an href, its status, and the properties that were found."""

    href: str
    status: int
    props: dict[str, Element] = field(default_factory=dict)

    def text(self, tag: str) -> str:
        element = self.props.get(tag)
        return "" if element is None or element.text is None else element.text


def events_within(start: datetime, end: datetime) -> str:
    """A calendar-query for whole objects with a VEVENT between two instants."""
    between = f'start="{_utc(start)}" end="{_utc(end)}"'
    return _query(f'<C:comp-filter name="VEVENT"><C:time-range {between}/></C:comp-filter>')


def all_todos() -> str:
    return _query('<C:comp-filter name="VTODO"/>')


def multiget(hrefs: Iterable[str]) -> str:
    asked = "".join(f"<D:href>{escape(href)}</D:href>" for href in hrefs)
    props = "<D:prop><D:getetag/><C:calendar-data/></D:prop>"
    return f"{_HEAD}<C:calendar-multiget {_NAMESPACES}>{props}{asked}</C:calendar-multiget>"


def sync_collection(token: str) -> str:
    return (
        f"{_HEAD}<D:sync-collection {_NAMESPACES}><D:sync-token>{escape(token)}</D:sync-token>"
        "<D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
    )


def propfind(*names: str) -> str:
    return f"{_HEAD}<D:propfind {_NAMESPACES}><D:prop>{''.join(f'<{name}/>' for name in names)}</D:prop></D:propfind>"


def mkcalendar(name: str, components: Iterable[str]) -> str:
    kinds = "".join(f'<C:comp name="{escape(kind)}"/>' for kind in components)
    return (
        f"{_HEAD}<C:mkcalendar {_NAMESPACES}><D:set><D:prop><D:displayname>{escape(name)}</D:displayname>"
        f"<C:supported-calendar-component-set>{kinds}</C:supported-calendar-component-set>"
        "</D:prop></D:set></C:mkcalendar>"
    )


def answers(tree: Element | None) -> list[Answer]:
    """The <response>s of a multistatus."""
    return [] if tree is None else [_answer(element) for element in tree.iterfind(f"{DAV}response")]


def sync_token(tree: Element | None) -> str:
    found = None if tree is None else tree.find(f"{DAV}sync-token")
    return "" if found is None or found.text is None else found.text.strip()


def has_precondition(tree: Element | None, name: str) -> bool:
    """Whether a DAV:error body names this precondition."""
    return tree is not None and any(child.tag == f"{DAV}{name}" for child in tree)


def path_of(href: str) -> str:
    """An href as one spelling: the path only, percent-encoded where it must be."""
    return quote(unquote(urlsplit(href.strip()).path), safe=_PATH_SAFE)


def _answer(element: Element) -> Answer:
    href, status = element.find(f"{DAV}href"), element.find(f"{DAV}status")
    props: dict[str, Element] = {}
    for propstat in element.iterfind(f"{DAV}propstat"):
        found = propstat.find(f"{DAV}status")
        if found is None or _code(found.text) in {200, 201}:
            for prop in propstat.iterfind(f"{DAV}prop"):
                props.update((child.tag, child) for child in prop)
    path = path_of(href.text) if href is not None and href.text else ""
    return Answer(path, 200 if status is None else _code(status.text), props)


def _code(status: str | None) -> int:
    words = (status or "").split()
    return int(words[1]) if len(words) > 1 and words[1].isdecimal() else 200


def _query(inner: str) -> str:
    return (
        f"{_HEAD}<C:calendar-query {_NAMESPACES}><D:prop><D:getetag/><C:calendar-data/></D:prop>"
        f'<C:filter><C:comp-filter name="VCALENDAR">{inner}</C:comp-filter></C:filter></C:calendar-query>'
    )


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
