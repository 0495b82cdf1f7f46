"""How the phrases of a sentence stand to each other."""

from ari_app.understanding.answers import Found


def is_inside(found: Found, inner: str, outer: str) -> bool:
    """Whether one phrase is a part of another ("i said" of "that is what i said")."""
    if outer not in found:
        return False
    return found[outer][0] <= found[inner][0] and found[inner][1] <= found[outer][1]


def asks_after(found: Found, key: str) -> bool:
    """Whether a question about the business follows ("yes, but what is the address")."""
    questions = [place for name, place in found.items() if name.startswith("topics.") or name == "marks.asks_about"]
    return key in found and any(start >= found[key][1] for start, _ in questions)


def named_intents(found: Found) -> list[str]:
    return [key.removeprefix("intents.") for key in found if key.startswith("intents.")]


def overlap(found: Found, first: str, second: str) -> bool:
    if first not in found or second not in found:
        return False
    return found[first][0] < found[second][1] and found[second][0] < found[first][1]


def is_before(found: Found, first: str, second: str) -> bool:
    return first in found and found[first][0] <= found[second][0]
