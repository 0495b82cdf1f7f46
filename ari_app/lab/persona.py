"""A scripted caller's mind: cues that may be heard in what the agent says, and what the caller answers.

The caller hears through a recogniser, so cues match by likeness (rapidfuzz), and the cue that stands last in what was
heard wins: the question comes at the end.
"""

import re
from dataclasses import dataclass, field

from rapidfuzz import fuzz

LIKENESS = 78.0
SAME_PLACE = 10
"""Characters: of cues that end as near to each other as this, the one that is most like what was heard counts."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one of `cues` is heard, say `says` (or press `presses`); at most `times` times."""

    cues: tuple[str, ...]
    says: str = ""
    presses: str = ""
    times: int = 1
    hangs_up: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller does next."""

    says: str = ""
    presses: str = ""
    hangs_up: bool = False


@dataclass(slots=True)
class Persona:
    """One caller. `otherwise`: said, in order, where no cue is heard."""

    voice: str
    rules: tuple[Rule, ...]
    otherwise: tuple[str, ...] = ("sorry, can you say that again",)
    used: dict[int, int] = field(default_factory=dict)
    lost: int = 0

    def reply(self, heard: str) -> Reply:
        """The answer to what was just heard; changes what is left of the script."""
        found = [
            (*match, -index)
            for index, rule in enumerate(self.rules)
            if self.used.get(index, 0) < rule.times and (match := _last_cue(rule.cues, heard)) is not None
        ]
        if not found:
            self.lost += 1
            return Reply(says=self.otherwise[min(self.lost, len(self.otherwise)) - 1])
        last = max(end for end, _, _ in found)
        index = -max((likeness, index) for end, likeness, index in found if end >= last - SAME_PLACE)[1]
        self.used[index] = self.used.get(index, 0) + 1
        rule = self.rules[index]
        return Reply(says=rule.says, presses=rule.presses, hangs_up=rule.hangs_up)


def _last_cue(cues: tuple[str, ...], heard: str) -> tuple[int, float] | None:
    """Where the best-placed cue ends in what was heard, and how like it is; None where none is like anything in it."""
    text = " ".join(re.findall(r"[a-z']+", heard.lower()))
    found = []
    for cue in cues:
        match = fuzz.partial_ratio_alignment(cue, text, score_cutoff=LIKENESS)
        if match is not None and len(text) >= len(cue) * 0.7:
            found.append((match.dest_end, match.score))
    if not found:
        return None
    last = max(end for end, _ in found)
    return last, max(likeness for end, likeness in found if end >= last - SAME_PLACE)
