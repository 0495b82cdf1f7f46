"""A small bottom-up chart parser: rules are data, their meanings are named functions.

A rule line reads `CATEGORY <- pattern -> action` with an optional `!n` cost at its end:

    DATE <- the? day:ORDINAL of? month:MONTH year:YEAR? -> month_day !1

Lower-case words match themselves, upper-case words match a category, `x?` and `(a b|c)?` are optional, `label:X`
hands X's value to the action, `action(key=word)` adds constants. A pattern may not be empty.
"""

import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ari_app.errors import BadInput
from ari_app.understanding.actions import Action
from ari_app.understanding.values import Value

Lexical = tuple[str, int, Value]
"""Category, end position, value."""

COMMON = frozenset({"the", "a", "on", "in", "at", "am", "der", "den"})
"""Words in almost every sentence: they gate nothing well."""

_ELEMENT = re.compile(r"(?:([a-z_]+):)?(?:\(([^)]*)\)|([^\s()?]+))(\??)")
_RULE = re.compile(r"^(\w+)\s*<-\s*(.+?)(?:\s*->\s*(\w+)(?:\(([^)]*)\))?)?(?:\s*!(-?\d+))?$")


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens start..end (end excluded) read as `category`."""

    category: str
    start: int
    end: int
    value: Value
    cost: int = 0


@dataclass(frozen=True)
class Rule:
    """One finished way to build `category`; `labels` say which element feeds which argument."""

    category: str
    action: str
    labels: tuple[tuple[str, int], ...]
    constants: tuple[tuple[str, str], ...]
    cost: int

    @functools.cached_property
    def passes(self) -> int | None:
        """For the action "same": which element's value it hands on (-1: none); None for other actions."""
        if self.action != "same":
            return None
        return self.labels[0][1] if self.labels else -1


@dataclass(frozen=True, slots=True)
class Unfit:
    """A rule whose labels its action doesn't take."""

    category: str
    action: str
    labels: frozenset[str]


@dataclass(slots=True)
class Node:
    """Rules that share their first symbols share this path."""

    children: "dict[str, Node]" = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules of a grammar, ready to be run."""

    root: Node
    symbols: frozenset[str]
    """Every symbol that some rule mentions; other words can't be part of anything."""
    groups: Mapping[str, tuple[str, ...]]
    """Word -> the alternatives' groups that it alone satisfies."""
    gates: Mapping[str, frozenset[str]]
    """Category -> words without any of which no rule can use it."""


@dataclass(slots=True)
class _Compiler:
    """What is known while the rules are read."""

    root: Node = field(default_factory=Node)
    group_names: dict[str, str] = field(default_factory=dict)
    group_words: dict[str, frozenset[str] | None] = field(default_factory=dict)
    """Group -> the words that it may begin with; None: it may begin with a category."""
    groups: dict[str, list[str]] = field(default_factory=dict)
    gates: dict[str, frozenset[str] | None] = field(default_factory=dict)
    """Category -> words that gate it; None: some rule needs no word beside it."""


def compile_rules(lines: Iterable[str], *, source: str) -> RuleBook:
    """Read all rules; a line that can't be read raises BadInput naming it."""
    made = _Compiler()
    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        matched = _RULE.match(text)
        if matched is None:
            raise BadInput(f'{source}: rule "{text}" is not of the form CATEGORY <- pattern -> action')
        category, pattern, action, constants, cost = matched.groups()
        given = tuple(
            (key.strip(), value.strip())
            for key, _, value in (part.partition("=") for part in (constants or "").split(",") if part)
        )
        for sequence in _expand(pattern, made):
            rule = Rule(category, action or "same", _labels(sequence), given, int(cost or 0))
            _insert(made.root, sequence, rule)
            _gate(made, [symbol for _, symbol in sequence])
    return RuleBook(
        made.root,
        symbols_of(made.root),
        {word: tuple(names) for word, names in made.groups.items()},
        {category: words for category, words in made.gates.items() if words is not None},
    )


def _gate(made: _Compiler, symbols: Sequence[str]) -> None:
    """Note for each category of a rule the words that the rule needs beside it."""
    needs: list[frozenset[str]] = []
    for symbol in symbols:
        words = made.group_words.get(symbol) if symbol.startswith("_") else frozenset({symbol})
        if words is not None and not symbol.isupper():
            needs.append(words)
    rarest = min(needs, key=lambda words: (bool(words & COMMON), len(words))) if needs else None
    for symbol in symbols:
        if symbol.isupper():
            known = made.gates.get(symbol, frozenset())
            made.gates[symbol] = None if known is None or rarest is None else known | rarest


Sequences = list[list[tuple[str, str]]]


def _expand(pattern: str, made: _Compiler) -> Sequences:
    """Every sequence of (label, symbol) that the pattern stands for."""
    choices: list[Sequences] = []
    for label, group, symbol, optional in _ELEMENT.findall(pattern):
        ways = _ways(label, group, made) if group else [[(label, symbol)]]
        choices.append([*ways, []] if optional else ways)
    sequences = [list(itertools.chain(*combination)) for combination in itertools.product(*choices)]
    return [sequence for sequence in sequences if sequence]


def _ways(label: str, group: str, made: _Compiler) -> Sequences:
    """A group's alternatives; several without labels become one category of their own, which keeps the trie small."""
    ways = [[_labelled(word, label) for word in way.split()] for way in group.split("|")]
    if len(ways) == 1 or any(name for way in ways for name, _ in way):
        return ways
    if group not in made.group_names:
        name = made.group_names[group] = f"_{len(made.group_names)}"
        for way in ways:
            if len(way) == 1 and not way[0][1].isupper():
                made.groups.setdefault(way[0][1], []).append(name)
            else:
                _insert(made.root, way, Rule(name, "same", (), (), 0))
                _gate(made, [symbol for _, symbol in way])
        firsts = frozenset(way[0][1] for way in ways)
        made.group_words[name] = None if any(first.isupper() for first in firsts) else firsts
    return [[("", made.group_names[group])]]


def _labelled(word: str, label: str) -> tuple[str, str]:
    own, separator, symbol = word.partition(":")
    return (own, symbol) if separator else (label, word)


def _labels(sequence: Sequence[tuple[str, str]]) -> tuple[tuple[str, int], ...]:
    return tuple((label, index) for index, (label, _) in enumerate(sequence) if label)


def _insert(root: Node, sequence: Sequence[tuple[str, str]], rule: Rule) -> None:
    node = root
    for _, symbol in sequence:
        node = node.children.setdefault(symbol, Node())
    node.rules.append(rule)


def unfit_rules(root: Node, actions: Mapping[str, Action]) -> list[Unfit]:
    """Rules that could never be run: an unknown action, or labels that it doesn't take or lacks."""
    found: list[Unfit] = []
    stack = [root]
    while stack:
        node = stack.pop()
        stack.extend(node.children.values())
        for rule in node.rules:
            given = {label for label, _ in rule.labels} | {key for key, _ in rule.constants}
            known = actions.get(rule.action)
            taken = list(inspect.signature(known).parameters.values())[1:] if known is not None else []
            needed = {parameter.name for parameter in taken if parameter.default is parameter.empty}
            if known is None or not needed <= given or not given <= {parameter.name for parameter in taken}:
                found.append(Unfit(rule.category, rule.action, frozenset(given)))
    return found


def symbols_of(root: Node) -> frozenset[str]:
    """Every symbol in the rules."""
    found: set[str] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        found.update(node.children)
        stack.extend(node.children.values())
    return frozenset(found)


Row = dict[str, list[tuple[int, Value, int]]]


@dataclass(slots=True)
class Chart:
    """All readings of one token sequence. `max_items` bounds the work on absurd input."""

    rules: RuleBook
    actions: Mapping[str, Action]
    context: object
    derive: Mapping[str, Callable[[Value], Iterable[tuple[str, Value]]]]
    """By category: further categories that follow from an item ("a number of 1..12 is an hour")."""
    goals: frozenset[str]
    """Categories wanted for their own sake."""
    max_items: int = 6000

    def parse(self, tokens: Sequence[str], lexical: Sequence[Sequence[Lexical]]) -> list[Row]:
        rows: list[Row] = [{} for _ in range(len(tokens) + 1)]
        roots, derive, left = self.rules.root.children, self.derive, self.max_items
        present = set(tokens)
        useless = {
            category
            for category, words in self.rules.gates.items()
            if category not in self.goals and category not in derive and words.isdisjoint(present)
        }
        for start in range(len(tokens) - 1, -1, -1):
            row, token = rows[start], tokens[start]
            agenda: list[tuple[str, int, Value, int]] = [
                (category, end, value, 0) for category, end, value in lexical[start]
            ]
            if token in self.rules.symbols:
                agenda.append((token, start + 1, None, 0))
            for group in self.rules.groups.get(token, ()):
                row[group] = [(start + 1, True, 0)]
                node = roots.get(group)
                if node is not None:
                    self._walk(node, rows, start + 1, (True,), 0, agenda)
            while agenda:
                symbol, end, value, cost = agenda.pop()
                if symbol in useless:
                    continue
                items = row.get(symbol)
                if items is None:
                    row[symbol] = [(end, value, cost)]
                else:
                    if any(known_end == end and known == value for known_end, known, _ in items):
                        continue
                    items.append((end, value, cost))
                left -= 1
                if left < 0:
                    return rows
                further = derive.get(symbol)
                if further is not None:
                    agenda.extend((category, end, derived, cost) for category, derived in further(value))
                node = roots.get(symbol)
                if node is not None:
                    self._walk(node, rows, end, (value,), cost, agenda)
        return rows

    def _walk(
        self,
        node: Node,
        rows: list[Row],
        position: int,
        values: tuple[Value, ...],
        cost: int,
        agenda: list[tuple[str, int, Value, int]],
    ) -> None:
        for rule in node.rules:
            if rule.passes is not None:
                made: Value | None = True if rule.passes < 0 else values[rule.passes]
            else:
                given: dict[str, Value] = {label: values[index] for label, index in rule.labels}
                if rule.constants:
                    given.update(rule.constants)
                made = self.actions[rule.action](self.context, **given)
            if made is not None:
                agenda.append((rule.category, position, made, cost + rule.cost))
        children, row = node.children, rows[position]
        if not children or not row:
            return
        shared = children.keys() & row.keys()
        for symbol in shared if len(shared) < 2 else sorted(shared):
            following = children[symbol]
            for end, value, item_cost in row[symbol]:
                self._walk(following, rows, end, (*values, value), cost + item_cost, agenda)


def best_cover(rows: Sequence[Row], wanted: Mapping[str, int], *, goals: Sequence[str]) -> list[Span]:
    """The non-overlapping spans that explain most with fewest pieces; `wanted`: score offset of each goal."""
    size = len(rows) - 1
    best: list[tuple[float, Span | None]] = [(0.0, None)] * (size + 1)
    for start in range(size - 1, -1, -1):
        top: tuple[float, Span | None] = (best[start + 1][0], None)
        for category in goals:
            for end, value, cost in rows[start].get(category, ()):
                length = end - start
                score = length * 10 - 3 - cost * 2 + wanted[category] + best[end][0]
                if score > top[0]:
                    top = (score, Span(category, start, end, value, cost))
        best[start] = top
    spans: list[Span] = []
    position = 0
    while position < size:
        span = best[position][1]
        if span is None:
            position += 1
        else:
            spans.append(span)
            position = span.end
    return spans
