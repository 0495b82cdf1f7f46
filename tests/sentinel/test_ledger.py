"""The sentinel's rules, without a clock or a socket."""

from hypothesis import given
from hypothesis import strategies as st

from ari_app.call.heartbeat_protocol import ChannelState, HeldChannel, Hello
from ari_app.sentinel.ledger import Death, Ledger

from .conftest import channel

GRACE_S, SILENT_S = 1.0, 1.5


def ledger() -> Ledger:
    return Ledger(grace_s=GRACE_S, silent_s=SILENT_S)


def hello(run: str = "run-1", *channels: HeldChannel, worker: str = "booking-1") -> Hello:
    return Hello(worker, 42, run, channels)


def test_a_living_worker_owes_nothing() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a")), 0.0)
    for tenth in range(100):
        book.beat(1, tenth / 10)
        assert book.due(tenth / 10) == []


def test_a_closed_socket_is_a_death_after_the_grace() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a"), channel("b")), 0.0)
    book.closed(1, 10.0)
    assert book.due(10.99) == []
    [loss] = book.due(11.0)
    assert loss.why is Death.CLOSED
    assert set(book.owed) == {"a", "b"}
    assert book.due(12.0) == []


def test_silence_on_an_open_socket_is_a_death_at_once() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a")), 0.0)
    assert book.due(1.5) == []
    [loss] = book.due(1.51)
    assert (loss.why, loss.link) == (Death.SILENT, 1)
    assert set(book.owed) == {"a"}


def test_each_channel_goes_its_way() -> None:
    book = ledger()
    held = (
        channel("agent"),
        channel("waits", ChannelState.RINGING, "phone"),
        channel("talks", ChannelState.HUMAN, "human"),
        channel("media", ChannelState.MEDIA),
    )
    book.hello(1, hello("r", *held), 0.0)
    book.closed(1, 0.0)
    [loss] = book.due(1.0)
    assert set(book.owed) == {"agent", "waits"}
    assert set(book.chores) == {"phone", "media"}
    assert book.kept == {"talks": "human", "human": "talks"}
    assert loss.kept == 1


def test_whichever_of_two_humans_hangs_up_first_the_other_is_ended() -> None:
    for first, second in (("caller", "human"), ("human", "caller")):
        book = ledger()
        book.hello(1, hello("r", channel("caller", ChannelState.HUMAN, "human")), 0.0)
        book.closed(1, 0.0)
        book.due(1.0)
        book.hung_up(first, 5.0)
        assert set(book.chores) == {second}
        assert book.kept == {}
        book.hung_up(second, 6.0)
        assert book.chores == {}


def test_a_partner_who_hung_up_unseen_is_found_by_comparing() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("caller", ChannelState.HUMAN, "human")), 0.0)
    book.closed(1, 0.0)
    book.due(1.0)
    book.settle_with({"caller", "another"}, 2.0)
    assert set(book.chores) == {"caller"}


def test_the_same_process_back_on_a_new_socket_lost_nothing() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a")), 0.0)
    book.closed(1, 1.0)
    reception = book.hello(2, hello("r", channel("a")), 1.5)
    assert reception.orphans == ()
    book.closed(1, 1.6)
    book.beat(2, 3.0)
    assert book.due(3.0) == []
    assert book.owed == {}


def test_a_new_process_gets_its_predecessors_callers_and_those_it_names_are_its_own() -> None:
    book = ledger()
    book.hello(1, hello("old", channel("a"), channel("b"), channel("c")), 0.0)
    book.closed(1, 1.0)
    reception = book.hello(2, hello("new"), 1.5)
    assert {each.id for each in reception.orphans} == {"a", "b", "c"}
    book.channel(2, channel("a"), 1.6)
    book.gone(2, "c", 1.7)
    assert book.due(2.4) == []
    [loss] = book.due(2.5)
    assert loss.why is Death.NOT_TAKEN_UP
    assert set(book.owed) == {"b"}


def test_the_grace_is_not_given_twice() -> None:
    book = ledger()
    book.hello(1, hello("one", channel("a")), 0.0)
    book.closed(1, 0.0)
    book.hello(2, hello("two"), 0.9)
    book.closed(2, 1.0)
    book.hello(3, hello("three"), 1.5)
    book.due(1.9)
    assert set(book.owed) == {"a"}


def test_a_worker_of_another_name_is_given_nothing() -> None:
    book = ledger()
    book.hello(1, hello("r1", channel("a")), 0.0)
    book.closed(1, 0.0)
    assert book.hello(2, hello("r2", worker="booking-2"), 0.5).orphans == ()
    book.due(1.0)
    assert set(book.owed) == {"a"}


def test_a_good_bye_with_everything_handed_over_owes_nothing() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a")), 0.0)
    book.gone(1, "a", 0.5)
    loss = book.bye(1, 1.0)
    assert loss is not None
    assert loss.owed == ()
    book.closed(1, 1.1)
    assert book.due(9.0) == []


def test_a_good_bye_with_callers_left_sends_them_at_once() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a")), 0.0)
    loss = book.bye(1, 1.0)
    assert loss is not None
    assert set(book.owed) == {"a"}


def test_what_another_worker_takes_up_is_not_owed_any_more() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a"), channel("b")), 0.0)
    book.closed(1, 0.0)
    book.due(1.0)
    book.hello(2, hello("r2", worker="booking-2"), 1.1)
    book.channel(2, channel("a"), 1.2)
    assert set(book.owed) == {"b"}


def test_a_worker_that_wakes_up_can_not_claim_callers_it_lost() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a")), 0.0)
    book.due(2.0)
    book.settled("a")
    assert book.beat(1, 5.0)
    book.channel(1, channel("a"), 5.0)
    assert book.hello(2, hello("r", channel("a")), 5.1).taken == ("a",)
    book.closed(2, 5.2)
    book.due(9.0)
    assert book.owed == {}


def test_a_caller_who_comes_back_to_a_worker_that_woke_is_its_own_again() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a")), 0.0)
    book.due(2.0)
    book.settled("a")
    book.beat(1, 5.0)
    book.gone(1, "a", 5.0)
    book.channel(1, channel("a"), 60.0)
    book.closed(1, 61.0)
    book.due(62.0)
    assert set(book.owed) == {"a"}


def test_a_sentinel_that_stood_still_blames_nobody() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a")), 0.0)
    book.forgive(30.0, 30.0)
    assert book.due(30.0) == []
    assert book.due(31.6) != []


def test_a_beat_after_a_stall_is_not_dated_into_the_future() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a")), 0.0)
    book.beat(1, 30.0)
    book.forgive(30.0, 30.0)
    assert book.due(31.51) != []


def test_a_caller_who_hangs_up_is_owed_nothing() -> None:
    book = ledger()
    book.hello(1, hello("r", channel("a")), 0.0)
    book.closed(1, 0.0)
    book.due(1.0)
    book.hung_up("a", 1.1)
    assert book.owed == {}


def test_a_stranger_on_a_link_changes_nothing() -> None:
    book = ledger()
    book.channel(7, channel("a"), 0.0)
    book.gone(7, "a", 0.0)
    assert book.beat(7, 0.0) is False
    assert book.bye(7, 0.0) is None
    book.closed(7, 0.0)
    assert book.workers == ()


IDS = ("a", "b", "c")
STEPS = st.one_of(
    st.tuples(st.just("hello"), st.integers(1, 4), st.sampled_from(("r1", "r2", "r3"))),
    st.tuples(st.just("channel"), st.integers(1, 4), st.sampled_from(IDS)),
    st.tuples(st.just("gone"), st.integers(1, 4), st.sampled_from(IDS)),
    st.tuples(st.just("closed"), st.integers(1, 4), st.just("")),
    st.tuples(st.just("bye"), st.integers(1, 4), st.just("")),
    st.tuples(st.just("wait"), st.integers(1, 30), st.just("")),
)


@given(st.lists(STEPS, max_size=40))
def test_no_caller_is_ever_forgotten(steps: list[tuple[str, int, str]]) -> None:
    """Whatever happens, a caller named and not said to be gone is held, on loan, owed, or taken."""
    book, now, named = ledger(), 0.0, set[str]()
    for kind, number, text in steps:
        now += 0.01
        live = {worker.link for worker in book.workers}
        match kind:
            case "hello" if number not in live:
                kept = next((tuple(w.channels.values()) for w in book.workers if w.run == text), ())
                book.hello(number, Hello("booking-1", 1, text, kept), now)
            case "channel" if number in live:
                book.channel(number, channel(text), now)
                named.add(text)
            case "gone" if number in live and any(w.link == number and text in w.channels for w in book.workers):
                book.gone(number, text, now)
                named.discard(text)
            case "closed":
                book.closed(number, now)
            case "bye":
                book.bye(number, now)
            case "wait":
                now += number / 10
        book.due(now)
        held = {each for worker in book.workers for each in worker.channels}
        lent = {owed.channel.id for owed in book.lent}
        assert named <= held | lent | set(book.owed) | set(book.taken)
