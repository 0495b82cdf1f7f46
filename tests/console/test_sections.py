"""What strangers say and are called stays text on the desk's page."""

from datetime import timedelta
from html.parser import HTMLParser

from ari_app.console.markup import Markup, element, join
from ari_app.console.sections import MOST_ROWS, appointments_section, callbacks_section, calls_section, outbox_section
from ari_app.store.schema import OutboxState

from .conftest import HOSTILE, NAMES, NOW, appointment, call, callback, text


class Seen(HTMLParser):
    """Collects tags, attributes and text as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless(html: str) -> None:
    seen = Seen(html)
    assert "script" not in seen.tags
    assert not [name for name in seen.attributes if name.startswith("on")]
    assert HOSTILE in seen.text


def test_a_callers_name_and_words_are_never_markup() -> None:
    assert_harmless(calls_section([call("a", ("caller", "hello"), name=HOSTILE)]))
    assert_harmless(calls_section([call("a", ("caller", HOSTILE))]))
    assert_harmless(calls_section([call("a", ("action", HOSTILE))]))


def test_a_call_id_can_not_leave_its_attribute() -> None:
    assert not [name for name in Seen(calls_section([call(HOSTILE)])).attributes if name.startswith("on")]


def test_names_and_titles_from_the_calendar_are_never_markup() -> None:
    assert_harmless(appointments_section([appointment("u", 8, name=HOSTILE)], NAMES, NOW))
    assert_harmless(appointments_section([appointment("u", 8, name="x", service=HOSTILE)], NAMES, NOW))
    assert_harmless(appointments_section([appointment("u", 8, name="x", resource=HOSTILE)], NAMES, NOW))


def test_texts_and_callbacks_are_never_markup() -> None:
    assert_harmless(outbox_section([text(1, OutboxState.DUE, HOSTILE)], NOW))
    assert_harmless(outbox_section([text(1, OutboxState.FAILED, "x", reason=HOSTILE)], NOW))
    assert_harmless(callbacks_section([callback("u", 5, name=HOSTILE, about="x")], NOW))
    assert_harmless(callbacks_section([callback("u", 5, name="x", about="x", preferred=HOSTILE)], NOW))
    uid = callbacks_section([callback('"><script>/../', 5, name="x", about="x")], NOW)
    assert "script" not in Seen(uid).tags
    assert "/../" not in uid


def test_control_characters_and_direction_marks_are_not_shown() -> None:
    shown = element("p", "a\x00b\x1b[31m\u202egpj.exe\ud800")
    assert shown == "<p>a b [31m gpj.exe </p>"
    shown.encode("utf-8")


def test_markup_is_kept_and_text_beside_it_escaped() -> None:
    assert join(element("b", "x"), "<i>", None) == "<b>x</b>&lt;i&gt;"
    assert element("input", required=True, disabled=False, value='"') == '<input required value="&quot;">'
    assert isinstance(element("p"), Markup)


def test_appointments_stand_under_their_day_and_the_past_is_dimmed() -> None:
    day = [appointment("1", 0, name="Early"), appointment("2", 8, name="Late"), appointment("3", 30, name="Next")]
    shown = appointments_section(day, NAMES, NOW)
    assert shown.index("Today") < shown.index("Early") < shown.index("Late") < shown.index("Tomorrow")
    assert shown.count('class="past"') == 1


def test_long_lists_are_cut_and_say_so() -> None:
    shown = appointments_section([appointment(str(n), 8, name=f"N{n}") for n in range(MOST_ROWS + 7)], NAMES, NOW)
    assert shown.count("<li") == MOST_ROWS
    assert "and 7 more" in shown


def test_an_overdue_callback_is_marked() -> None:
    assert "overdue" in callbacks_section([callback("u", -1, name="x", about="x")], NOW)
    assert "overdue" not in callbacks_section([callback("u", 1, name="x", about="x")], NOW)
    assert "any time" in callbacks_section([callback("u", None, name="x", about="x")], NOW)


def test_a_moment_of_another_day_shows_its_date() -> None:
    old = text(1, OutboxState.SENT, "x")
    assert "14:17" in outbox_section([old], NOW)
    assert "Mon 23 Nov, 14:17" in outbox_section([old], NOW + timedelta(days=1))


def test_what_came_of_an_action_is_told_in_words_and_looking_things_up_is_not() -> None:
    html = str(calls_section([call("a", ("result", "OpeningsFound"), ("result", "Booked"), ("result", "OpeningGone"))]))
    assert "OpeningsFound" not in html
    assert ">booked<" in html
    assert ">the time had just gone<" in html
