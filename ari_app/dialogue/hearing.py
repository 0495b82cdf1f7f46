"""What of the agent's words a caller had heard when they cut in."""

from ari_app.dialogue.business import Business
from ari_app.dialogue.state import State
from ari_app.speech.clauses import split


def heard_before_question(business: Business, state: State, heard_clauses: int | None) -> bool:
    """Whether all but the closing question of the open question's text was heard; None: all was."""
    if heard_clauses is None:
        return True
    needed = 0
    for say in state.spoken:
        pieces = split(business.texts.render(say.text_id, say.values, say.variant, state.now))
        if say.text_id.endswith(f".{state.question}") and not say.text_id.startswith("keys."):
            return heard_clauses >= needed + len(pieces) - 1
        needed += len(pieces)
    return True


def heard_only_first_offer(business: Business, state: State, heard_clauses: int | None) -> bool:
    """Whether the first of the offers was heard in full and the second wasn't."""
    if heard_clauses is None or len(state.offered) < 2:
        return False
    before = 0
    joint = business.texts.part("join.offer")
    for say in state.spoken:
        pieces = [
            clause.text for clause in split(business.texts.render(say.text_id, say.values, say.variant, state.now))
        ]
        starts = [index for index, piece in enumerate(pieces) if piece.startswith(joint)]
        if starts and say.text_id in {"ask.offer", "again.offer"}:
            second_ends = starts[1] if len(starts) > 1 else len(pieces) - 1
            return before + starts[0] <= heard_clauses < before + second_ends
        before += len(pieces)
    return False
