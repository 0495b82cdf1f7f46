"""HTML that can't be got wrong: text is escaped unless it was made by `element`."""

from html import escape


class Markup(str):
    """Text that is HTML already; made here and nowhere else."""

    __slots__ = ()


Child = str | Markup | None

_VOID = frozenset({"br", "input", "link", "meta"})
NOTHING = Markup("")


def element(tag: str, *children: Child, **attributes: str | bool | None) -> Markup:
    """`<tag ...>children</tag>`. `class_` is class, `data_at` data-at; True is a bare attribute, None or False none."""
    shown = "".join(
        _attribute(name, value) for name, value in attributes.items() if value is not None and value is not False
    )
    if tag in _VOID:
        return Markup(f"<{tag}{shown}>")
    return Markup(f"<{tag}{shown}>{join(*children)}</{tag}>")


def join(*children: Child) -> Markup:
    """Children one after another."""
    return Markup("".join(_child(child) for child in children if child is not None))


def page(*children: Child) -> str:
    """A whole document."""
    return f"<!doctype html>\n{element('html', *children, lang='en')}"


def _child(child: str) -> str:
    return child if isinstance(child, Markup) else escape(_visible(child), quote=True)


def _attribute(name: str, value: str | bool | None) -> str:
    named = name.rstrip("_").replace("_", "-")
    return f" {named}" if value is True else f' {named}="{escape(_visible(str(value)), quote=True)}"'


def _visible(text: str) -> str:
    """Without control characters, which HTML forbids, and without marks that turn the direction of what follows."""
    return "".join(
        " " if ord(sign) < 32 or 0x7F <= ord(sign) <= 0x9F or ord(sign) in _HIDDEN else sign for sign in text
    )


_HIDDEN = frozenset([*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)])
