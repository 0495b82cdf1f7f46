"""chan_websocket as a state machine: what is sent, what was heard, whatever comes in."""

import json
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ari_app.asterisk import media_messages as mm
from ari_app.asterisk import media_protocol as mp
from ari_app.audio.frames import FRAME_BYTES, FRAME_S
from ari_app.errors import MediaClosed

FRAME = bytes(FRAME_BYTES)


class Asterisk:
    """chan_websocket's queue in miniature: a model to run the protocol against."""

    def __init__(self) -> None:
        self.queue: deque[bytes | str] = deque()
        self.played: list[bytes] = []
        self.is_full = False
        self.longest = 0

    @property
    def frames(self) -> int:
        return sum(isinstance(item, bytes) for item in self.queue)

    def take(self, message: str | bytes) -> list[str]:
        if isinstance(message, bytes):
            assert len(message) % FRAME_BYTES == 0
            assert 0 < len(message) < mp.MAX_MESSAGE_BYTES
            assert self.frames < mp.QUEUE_FRAMES
            self.queue.extend(message[at : at + FRAME_BYTES] for at in range(0, len(message), FRAME_BYTES))
            self.longest = max(self.longest, self.frames)
            return []
        assert len(message) <= mm.MAX_COMMAND_BYTES
        fields = json.loads(message)
        match fields["command"]:
            case "MARK_MEDIA":
                self.queue.append(fields["correlation_id"])
            case "FLUSH_MEDIA":
                self.queue.clear()
            case "GET_STATUS":
                return [event("STATUS", queue_length=self.frames)]
        return []

    def tick(self) -> list[str]:
        events = []
        while self.queue and isinstance(self.queue[0], str):
            events.append(event("MEDIA_MARK_PROCESSED", correlation_id=self.queue.popleft()))
        if self.queue:
            frame = self.queue.popleft()
            assert isinstance(frame, bytes)
            self.played.append(frame)
        return events


def event(name: str, **fields: object) -> str:
    return json.dumps({"event": name, "channel_id": "1", **fields})


def start(**changes: object) -> str:
    return event("MEDIA_START", **{"format": "slin16", "optimal_frame_size": 640, "ptime": 20} | changes)


def run(protocol: mp.MediaProtocol, asterisk: Asterisk, ticks: int, now_s: float) -> tuple[list[mm.MediaEvent], float]:
    """Let `ticks` times 20 ms pass on both sides."""
    seen: list[mm.MediaEvent] = []
    for _ in range(ticks):
        for message in protocol.outgoing(now_s):
            for answer in asterisk.take(message):
                seen += protocol.feed(answer, now_s)
        now_s += FRAME_S
        for answer in asterisk.tick():
            seen += protocol.feed(answer, now_s)
    return seen, now_s


def test_media_start_tells_channel_and_format() -> None:
    protocol = mp.MediaProtocol()
    assert protocol.feed(start(), 0.0) == [mm.MediaStarted("1", "slin16", 640, 20)]
    assert protocol.started is not None


@pytest.mark.parametrize("changes", [{"format": "ulaw"}, {"optimal_frame_size": 160}, {"ptime": "x"}, {"format": None}])
def test_another_format_than_agreed_closes_the_leg(changes: dict[str, object]) -> None:
    with pytest.raises(MediaClosed):
        mp.MediaProtocol().feed(start(**changes), 0.0)


def test_inbound_audio_is_cut_into_frames_whatever_its_messages_are() -> None:
    protocol = mp.MediaProtocol()
    audio = bytes(range(256)) * 10
    events = [*protocol.feed(audio[:100], 0.0), *protocol.feed(audio[100:1500], 0.0), *protocol.feed(audio[1500:], 0.0)]
    assert b"".join(each.frame for each in events if isinstance(each, mm.AudioReceived)) == audio
    assert protocol.counters.frames_in == 4


def test_an_odd_byte_is_dropped_and_samples_stay_aligned() -> None:
    protocol = mp.MediaProtocol()
    protocol.feed(b"\x01\x02" * 319 + b"\x09", 0.0)
    [received] = protocol.feed(b"\x03\x04" * 320, 0.0)
    assert isinstance(received, mm.AudioReceived)
    assert received.frame == b"\x01\x02" * 319 + b"\x03\x04"
    assert protocol.counters.bytes_malformed == 1


def test_no_more_than_the_lead_is_on_its_way() -> None:
    protocol, asterisk = mp.MediaProtocol(lead_frames=30), Asterisk()
    protocol.queue_audio(FRAME * 500)
    protocol.end_audio()
    run(protocol, asterisk, 600, 0.0)
    assert len(asterisk.played) == 500
    assert asterisk.longest <= 30
    assert protocol.is_idle


def test_nothing_is_sent_between_xoff_and_xon() -> None:
    protocol = mp.MediaProtocol()
    protocol.queue_audio(FRAME * 10)
    assert protocol.feed(event("MEDIA_XOFF"), 0.0) == [mm.FlowStopped()]
    assert not [message for message in protocol.outgoing(0.0) if isinstance(message, bytes)]
    assert protocol.feed(event("MEDIA_XON"), 0.0) == [mm.FlowResumed()]
    assert sum(len(message) for message in protocol.outgoing(0.0) if isinstance(message, bytes)) == FRAME_BYTES * 10
    assert protocol.counters.xoffs == 1


def test_a_tail_waits_for_more_and_is_padded_at_the_end() -> None:
    protocol, asterisk = mp.MediaProtocol(), Asterisk()
    protocol.queue_audio(b"\x01\x00" * 100)
    assert protocol.pending_frames == 0
    protocol.queue_audio(b"\x01\x00" * 230)
    assert protocol.pending_frames == 1
    protocol.end_audio()
    run(protocol, asterisk, 5, 0.0)
    assert b"".join(asterisk.played) == b"\x01\x00" * 330 + bytes(2 * FRAME_BYTES - 660)


def test_a_mark_is_reached_when_all_before_it_was_played() -> None:
    protocol, asterisk = mp.MediaProtocol(), Asterisk()
    protocol.queue_audio(FRAME * 3)
    protocol.queue_mark("middle")
    protocol.queue_audio(FRAME * 3)
    protocol.end_audio()
    before, now_s = run(protocol, asterisk, 3, 0.0)
    assert mm.MarkReached("middle") not in before
    after, _ = run(protocol, asterisk, 1, now_s)
    assert mm.MarkReached("middle") in after
    assert protocol.gone_frames == 3


def test_a_flush_says_what_was_heard_and_resolves_marks() -> None:
    protocol, asterisk = mp.MediaProtocol(), Asterisk()
    protocol.queue_audio(FRAME * 20)
    protocol.queue_mark("sent")
    protocol.queue_audio(FRAME * 200)
    protocol.queue_mark("never sent")
    _, now_s = run(protocol, asterisk, 7, 0.0)
    seen = [each for message in protocol.flush(now_s) for answer in asterisk.take(message)
            for each in protocol.feed(answer, now_s)]  # fmt: skip
    assert mm.Flushed(heard_frames=7) in seen
    assert mm.MarkDropped("sent") in seen
    assert mm.MarkDropped("never sent") in seen
    assert protocol.is_idle
    assert protocol.counters.frames_flushed == protocol.sent_frames - 7


def test_after_a_flush_there_is_room_at_once() -> None:
    protocol = mp.MediaProtocol(lead_frames=20)
    protocol.queue_audio(FRAME * 100)
    protocol.outgoing(0.0)
    assert protocol.room_frames == 0
    protocol.flush(0.1)
    assert protocol.room_frames == 20


def test_marks_set_after_a_flush_outlive_it() -> None:
    protocol, asterisk = mp.MediaProtocol(), Asterisk()
    protocol.queue_audio(FRAME * 10)
    run(protocol, asterisk, 2, 0.0)
    flush = protocol.flush(0.04)
    protocol.queue_mark("new")
    messages = [*flush, *protocol.outgoing(0.04)]
    seen = [each for message in messages for answer in asterisk.take(message) for each in protocol.feed(answer, 0.05)]
    assert mm.MarkDropped("new") not in seen
    seen, _ = run(protocol, asterisk, 1, 0.06)
    assert mm.MarkReached("new") in seen


def test_status_for_a_flush_and_a_plain_question_are_told_apart() -> None:
    protocol = mp.MediaProtocol()
    protocol.ask_status()
    protocol.flush(0.0)
    answer = event("STATUS", queue_length=3, queue_full=True, media_paused=False)
    assert protocol.feed(answer, 0.0) == [mm.Status(3, True, False, False)]
    assert [type(each) for each in protocol.feed(answer, 0.0)] == [mm.Flushed, mm.Progress]


def numbered(count: int) -> bytes:
    """Frames that say which they are: 100, 200, ... in each sample."""
    return b"".join((100 * number).to_bytes(2, "little") * (FRAME_BYTES // 2) for number in range(1, count + 1))


def last_sample(frame: bytes) -> int:
    return int.from_bytes(frame[-2:], "little", signed=True)


def test_level_changes_within_what_asterisk_holds_and_nothing_is_lost_or_repeated() -> None:
    protocol, asterisk = mp.MediaProtocol(), Asterisk()
    protocol.queue_audio(numbered(60))
    protocol.queue_mark("end")
    _, now_s = run(protocol, asterisk, 13, 0.0)
    for message in protocol.change_level(0.5, now_s):
        for answer in asterisk.take(message):
            protocol.feed(answer, now_s)
    _, now_s = run(protocol, asterisk, 10, now_s)
    for message in protocol.change_level(1.0, now_s):
        for answer in asterisk.take(message):
            protocol.feed(answer, now_s)
    seen, _ = run(protocol, asterisk, 40, now_s)
    levels = [1.0] * 13 + [0.5] * 10 + [1.0] * 37
    assert [last_sample(each) for each in asterisk.played] == [
        round(100 * number * level) for number, level in enumerate(levels, start=1)
    ]
    assert mm.MarkReached("end") in seen
    assert protocol.is_idle
    assert protocol.sent_frames == 60


def test_level_goes_evenly_within_one_frame() -> None:
    protocol, asterisk = mp.MediaProtocol(), Asterisk()
    protocol.queue_audio(numbered(20))
    _, now_s = run(protocol, asterisk, 9, 0.0)
    for message in protocol.change_level(0.0, now_s):
        for answer in asterisk.take(message):
            protocol.feed(answer, now_s)
    run(protocol, asterisk, 2, now_s)
    falling = [int.from_bytes(asterisk.played[9][at : at + 2], "little") for at in range(0, FRAME_BYTES, 2)]
    assert falling == sorted(falling, reverse=True)
    assert (falling[0], falling[-1]) == (1000, 0)
    assert not any(asterisk.played[10])


def test_flush_before_the_audio_has_come_back_drops_it_and_still_knows_what_was_heard() -> None:
    protocol, asterisk = mp.MediaProtocol(), Asterisk()
    protocol.queue_audio(FRAME * 60)
    protocol.queue_mark("end")
    _, now_s = run(protocol, asterisk, 13, 0.0)
    messages = [*protocol.change_level(0.5, now_s), *protocol.flush(now_s)]
    seen = [each for message in messages for answer in asterisk.take(message) for each in protocol.feed(answer, now_s)]
    assert mm.Flushed(heard_frames=13) in seen
    assert mm.MarkDropped("end") in seen
    assert protocol.is_idle
    assert protocol.outgoing(now_s) == []


def test_nothing_is_sent_while_audio_comes_back() -> None:
    protocol, asterisk = mp.MediaProtocol(), Asterisk()
    protocol.queue_audio(FRAME * 10)
    _, now_s = run(protocol, asterisk, 3, 0.0)
    protocol.change_level(0.5, now_s)
    protocol.queue_mark("later")
    protocol.queue_audio(FRAME * 5)
    assert protocol.outgoing(now_s) == []
    protocol.feed(event("STATUS", queue_length=7), now_s)
    asterisk.queue.clear()
    seen, _ = run(protocol, asterisk, 14, now_s)
    assert len(asterisk.played) == 15
    assert mm.MarkReached("later") in seen


def test_level_where_nothing_plays_asks_asterisk_for_nothing() -> None:
    protocol = mp.MediaProtocol()
    assert protocol.change_level(0.5, 0.0) == []
    protocol.queue_audio(numbered(2))
    [message] = [each for each in protocol.outgoing(0.0) if isinstance(each, bytes)]
    assert last_sample(message) == 100


def test_the_clock_fills_in_between_ticks_but_never_beyond_one_still_out() -> None:
    protocol, asterisk = mp.MediaProtocol(), Asterisk()
    protocol.queue_audio(FRAME * 100)
    for message in protocol.outgoing(0.0):
        asterisk.take(message)
    assert protocol.played_frames(0.04) == 2
    assert protocol.played_frames(9.0) == mp.TICK_FRAMES


def test_pausing_stops_the_clock() -> None:
    protocol = mp.MediaProtocol()
    protocol.queue_audio(FRAME * 4)
    protocol.outgoing(0.0)
    protocol.pause(0.04)
    assert protocol.played_frames(5.0) == 2
    protocol.resume(5.0)
    assert protocol.played_frames(5.02) == 3


def test_abandoning_drops_every_mark_once() -> None:
    protocol = mp.MediaProtocol(lead_frames=10)
    protocol.queue_mark("out")
    protocol.outgoing(0.0)
    protocol.flush(0.0)
    protocol.queue_audio(FRAME * 50)
    protocol.queue_mark("pending")
    protocol.outgoing(0.0)
    assert sorted(each.name for each in protocol.abandon() if isinstance(each, mm.MarkDropped)) == ["out", "pending"]
    assert protocol.abandon() == []


@pytest.mark.parametrize(
    "message",
    ["", "{", "[]", "5", "{}", '{"event": 7}', '{"event": "NEWS"}', event("ERROR", error_text="no"), "[" * 100_000],
)
def test_what_is_no_event_is_a_fault_and_no_more(message: str) -> None:
    protocol = mp.MediaProtocol()
    [fault] = protocol.feed(message, 0.0)
    assert isinstance(fault, mm.Fault)
    assert protocol.counters.faults == 1


def test_a_mark_that_nobody_set_is_a_fault() -> None:
    [fault] = mp.MediaProtocol().feed(event("MEDIA_MARK_PROCESSED", correlation_id="77"), 0.0)
    assert isinstance(fault, mm.Fault)


def test_commands_beyond_128_bytes_are_refused_here_since_asterisk_ignores_them() -> None:
    assert json.loads(mm.encode(mm.Command.STOP_MEDIA_BUFFERING, "x")) == {
        "command": "STOP_MEDIA_BUFFERING",
        "correlation_id": "x",
    }
    with pytest.raises(ValueError, match="at most 128"):
        mm.encode(mm.Command.MARK_MEDIA, "x" * 100)


def test_a_lead_that_cannot_work_is_refused() -> None:
    for frames in (5, 1000):
        with pytest.raises(ValueError, match="lead_frames"):
            mp.MediaProtocol(lead_frames=frames)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("audio"), st.integers(0, 30_000)),
        st.tuples(st.just("tick"), st.integers(1, 40)),
        st.tuples(st.just("mark"), st.integers(0, 5)),
        st.tuples(st.just("end"), st.just(0)),
        st.tuples(st.just("flush"), st.just(0)),
        st.tuples(st.just("level"), st.integers(0, 1)),
        st.tuples(st.just("xoff"), st.just(0)),
        st.tuples(st.just("xon"), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(10, 60))
def test_whatever_is_played_paused_and_flushed_the_account_is_true(
    given_steps: list[tuple[str, int]], lead: int
) -> None:
    protocol, asterisk = mp.MediaProtocol(lead_frames=lead), Asterisk()
    now_s, byte, flushed = 0.0, 1, 0
    set_marks, resolved = 0, 0
    for step, amount in given_steps:
        seen: list[mm.MediaEvent] = []
        match step:
            case "audio":
                protocol.queue_audio(bytes([byte]) * amount)
                byte = byte % 250 + 1
            case "tick":
                seen, now_s = run(protocol, asterisk, amount, now_s)
            case "mark":
                protocol.queue_mark(str(amount))
                set_marks += 1
            case "end":
                protocol.end_audio()
            case "flush":
                played = len(asterisk.played)
                for message in protocol.flush(now_s):
                    for answer in asterisk.take(message):
                        seen += protocol.feed(answer, now_s)
                [confirmed] = [each for each in seen if isinstance(each, mm.Flushed)]
                assert confirmed.heard_frames - flushed == played
                flushed += protocol.sent_frames - confirmed.heard_frames
                assert protocol.is_idle
            case "level":
                for message in protocol.change_level((0.2, 1.0)[amount], now_s):
                    for answer in asterisk.take(message):
                        seen += protocol.feed(answer, now_s)
            case _:
                protocol.feed(event(f"MEDIA_{step.upper()}"), now_s)
        resolved += sum(isinstance(each, mm.MarkReached | mm.MarkDropped) for each in seen)
        assert protocol.gone_frames <= len(asterisk.played) + flushed <= protocol.sent_frames
        assert abs(protocol.played_frames(now_s) - (len(asterisk.played) + flushed)) <= mp.TICK_FRAMES
        assert asterisk.longest <= lead
    protocol.feed(event("MEDIA_XON"), now_s)
    protocol.end_audio()
    seen, now_s = run(protocol, asterisk, protocol.queued_frames + 2, now_s)
    resolved += sum(isinstance(each, mm.MarkReached | mm.MarkDropped) for each in seen)
    assert protocol.is_idle
    assert resolved == set_marks


@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_every_inbound_frame_is_whole(messages: list[bytes]) -> None:
    protocol = mp.MediaProtocol()
    frames = [each.frame for message in messages for each in protocol.feed(message, 0.0)]  # type: ignore[union-attr]
    assert all(len(frame) == FRAME_BYTES for frame in frames)
    even = b"".join(message[: len(message) & ~1] for message in messages)
    assert b"".join(frames) == even[: len(even) // FRAME_BYTES * FRAME_BYTES]


@given(st.one_of(st.text(), st.binary(max_size=50)), st.floats(0, 1e6))
def test_no_message_breaks_the_protocol(message: str | bytes, now_s: float) -> None:
    mp.MediaProtocol().feed(message, now_s)
