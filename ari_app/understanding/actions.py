"""The meanings that grammar rules may name, by name."""

from collections.abc import Callable
from typing import TypeVar

from ari_app.understanding.values import Value

Action = Callable[..., Value | None]
ACTIONS: dict[str, Action] = {}

Acting = TypeVar("Acting", bound=Action)


def action(function: Acting) -> Acting:
    """Offer `function(ctx, **labels)` to the rules under its own name; None from it means: no such reading."""
    ACTIONS[function.__name__] = function
    return function
