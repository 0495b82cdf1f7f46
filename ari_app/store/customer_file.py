"""A customer list out of a spreadsheet's CSV: every good line is taken, every other one is named with its number.

Understood: UTF-8 (with or without BOM), UTF-16 with BOM, Windows-1252 line by line; comma, semicolon, tab or bar;
columns in any order under usual names. A line goes in whole or not at all.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ari_app.errors import BadInput
from ari_app.store.customers import Customer
from ari_app.store.numbers import to_e164

COLUMNS: dict[str, tuple[str, ...]] = {
    "number": ("number", "phone", "phone number", "telephone", "tel", "mobile", "mobile phone", "caller"),
    "name": ("name", "full name", "customer", "patient", "client"),
    "first_name": ("first name", "firstname", "given name", "forename"),
    "last_name": ("last name", "lastname", "surname", "family name"),
    "birth_year": (
        "birth year",
        "birthyear",
        "year of birth",
        "born",
        "date of birth",
        "birth date",
        "dob",
        "birthday",
    ),
    "pin": ("pin", "code"),
    "email": ("email", "e-mail", "mail", "email address"),
    "notes": ("notes", "note", "comment", "comments", "remarks"),
}
_LONGEST_RECORD = 30
"""Lines one quoted record may span; more is a quote that was never closed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line and whether it was left out."""

    line: int
    reason: str
    is_left_out: bool = True


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """What a file held; `customers` with the line each stood on."""

    customers: tuple[tuple[int, Customer], ...]
    problems: tuple[Problem, ...]


def read_customers(data: bytes, *, region: str, this_year: int) -> CustomerFile:
    """Read a CSV file's bytes; raises BadInput where it is no such list at all."""
    if data.startswith(b"PK\x03\x04"):
        raise BadInput("this is a spreadsheet's own format, not CSV: save it as CSV (UTF-8) and import that")
    lines, problems = _decoded(data)
    records = _Records(lines)
    columns = _columns(records)
    found: dict[str, tuple[int, Customer]] = {}
    for line, fields in records:
        if isinstance(fields, str):
            problems.append(Problem(line, fields))
        elif any(field.strip() for field in fields):
            try:
                customer = _customer(columns, fields, region=region, this_year=this_year)
                if customer.number in found:
                    raise _Wrong(f"{customer.number} stands on line {found[customer.number][0]} already")
                found[customer.number] = (line, customer)
            except _Wrong as exc:
                problems.append(Problem(line, str(exc)))
                if len(fields) != len(columns):
                    records.continue_after(line)
    return CustomerFile(tuple(found.values()), tuple(sorted(problems, key=lambda problem: problem.line)))


class _Wrong(Exception):
    """A line that can't be taken, and why."""


class _Records:
    """CSV records with the line each starts on; a broken one costs its own line, not those after it."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._next = 0
        self._start = 0
        self.delimiter = ","
        if lines and (named := re.fullmatch(r"sep=(.)\s*", lines[0], re.IGNORECASE)):
            self.delimiter = named[1]
            self._next = 1
        elif first := next((line for line in lines if line.strip()), ""):
            self.delimiter = max(",;\t|", key=first.count)
        self._reader = self._new_reader()

    def __iter__(self) -> Iterator[tuple[int, list[str] | str]]:
        while self._next < len(self._lines):
            self._start = self._next
            try:
                fields = next(self._reader)
            except csv.Error as exc:
                is_unclosed = "unexpected end" in str(exc)
                self.continue_after(self._start + 1)
                yield self._start + 1, "a quote is opened and never closed" if is_unclosed else f"is no CSV: {exc}"
            else:
                yield self._start + 1, fields

    def continue_after(self, line: int) -> None:
        """Read on with the line after `line`, though a record may have swallowed more."""
        if self._next > line:
            self._next = line
            self._reader = self._new_reader()

    def _new_reader(self) -> "Iterator[list[str]]":
        return iter(csv.reader(self._feed(), delimiter=self.delimiter, strict=True, skipinitialspace=True))

    def _feed(self) -> Iterator[str]:
        while self._next < len(self._lines) and self._next - self._start < _LONGEST_RECORD:
            self._next += 1
            yield self._lines[self._next - 1]


def _decoded(data: bytes) -> tuple[list[str], list[Problem]]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode()
    lines: list[str] = []
    problems: list[Problem] = []
    for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).splitlines(keepends=True), 1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", "replace"))
            problems.append(Problem(number, "is not UTF-8, read as Windows-1252: check its accents", is_left_out=False))
    return lines, problems


def _columns(records: _Records) -> list[str]:
    """The meaning of each column, "" where it isn't one of ours."""
    header = next((fields for _, fields in records if isinstance(fields, str) or any(map(str.strip, fields))), [])
    if isinstance(header, str):
        raise BadInput(f"the first line {header}")
    meanings = {word: meaning for meaning, words in COLUMNS.items() for word in words}
    columns = [meanings.get(re.sub(r"[\s_]+", " ", title).strip().lower(), "") for title in header]
    missing = [name for name in ("number", "name") if name not in columns]
    if "name" in missing and {"first_name", "last_name"} & set(columns):
        missing.remove("name")
    if missing:
        shown = ", ".join(title.strip()[:40] for title in header[:12]) or "nothing"
        raise BadInput(
            f'no column "{missing[0]}" (found: {shown}): the first line names the columns,'
            " such as number,name,birth_year,pin,email,notes"
        )
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice:
        raise BadInput(f'two columns mean "{twice}": keep one of them')
    return columns


def _customer(columns: list[str], fields: list[str], *, region: str, this_year: int) -> Customer:
    if any(extra.strip() for extra in fields[len(columns) :]):
        raise _Wrong(f"has {len(fields)} fields, the first line names {len(columns)}: put text with commas in quotes")
    cells = {name: _one_line(field) for name, field in zip(columns, fields, strict=False) if name}
    return Customer(
        number=_number(cells.get("number", ""), region),
        name=_name(cells),
        birth_year=_birth_year(cells.get("birth_year", ""), this_year),
        pin=_pin(cells.get("pin", "")),
        email=_email(cells.get("email", "")),
        notes=cells.get("notes", ""),
    )


def _number(text: str, region: str) -> str:
    if not text:
        raise _Wrong("has no number")
    if re.fullmatch(r"\d+([.,]\d+)?[eE]\+?\d+", text):
        raise _Wrong(f'number "{text}" was rounded by a spreadsheet: format that column as text and type it anew')
    number = to_e164(re.sub(r"\.0$", "", text.strip("'=\"")), region)
    if not number:
        raise _Wrong(f'"{text[:40]}" is no telephone number (read as one of {region})')
    return number


def _name(cells: dict[str, str]) -> str:
    name = cells.get("name") or f"{cells.get('first_name', '')} {cells.get('last_name', '')}".strip()
    if not name:
        raise _Wrong("has no name")
    if len(name) > 200:
        raise _Wrong(f"its name is {len(name)} characters long")
    return name


def _birth_year(text: str, this_year: int) -> int | None:
    if not text:
        return None
    years = re.findall(r"(?<!\d)(\d{4})(?!\d)", text)
    if len(years) != 1 or not 1890 <= int(years[0]) <= this_year:
        raise _Wrong(f'birth year "{text[:40]}": write a year of four digits, 1890 to {this_year}')
    return int(years[0])


def _pin(text: str) -> str | None:
    if text and not re.fullmatch(r"[0-9]{3,10}", text):
        raise _Wrong("its PIN must be 3 to 10 digits")
    return text or None


def _email(text: str) -> str:
    if text and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
        raise _Wrong(f'"{text[:60]}" is no e-mail address')
    return text


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
