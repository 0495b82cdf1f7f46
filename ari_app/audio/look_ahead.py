"""What of a call's audio the recogniser gets, and when: once speech has ended, silence ahead of its time.

An acoustic model takes audio in steps (0.3 s), so the last word of an utterance is known only when as much silence has
followed it. Silence needs no waiting for: after a short one the rest of a step is fed at once, and the silent frames
that come later are left out for it. Where the caller goes on instead, the pause in what the recogniser has heard is
somewhat longer than theirs; at the pause from which on it is done, that changes no word.
"""

from ari_app.audio.frames import FRAME_BYTES, SILENCE, seconds

AFTER_FRAMES = 7
"""0.14 s: closures inside words ("ok-tober") are shorter."""
AHEAD_FRAMES = 12
"""With what was silent before, more than a step of the model and its view to the right."""


class LookAhead:
    """One call's: `begin` with each utterance, `take` for each frame, `is_settled` for each partial."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A new utterance: nothing fed yet."""
        self._fed_s = 0.0
        self._settled_at_s = 0.0
        self._silent_frames = self._owed_frames = 0
        self._is_after_speech = False

    def take(self, audio: bytes, *, is_speech: bool) -> bytes:
        """What to feed for this audio (a frame, or what came before the first one): it, more, or nothing."""
        if is_speech:
            self._is_after_speech, self._silent_frames, self._owed_frames = True, 0, 0
            return self._fed(audio)
        self._silent_frames += 1
        if self._owed_frames > 0 and len(audio) == FRAME_BYTES:
            self._owed_frames -= 1
            return b""
        if not self._is_after_speech or self._silent_frames < AFTER_FRAMES:
            return self._fed(audio)
        self._is_after_speech, self._owed_frames = False, AHEAD_FRAMES
        fed = self._fed(audio + SILENCE * AHEAD_FRAMES)
        self._settled_at_s = self._fed_s
        return fed

    def is_settled(self, decoded_s: float) -> bool:
        """Whether a partial made of so much audio says the last about the newest speech."""
        return not self._is_after_speech and decoded_s + 1e-6 >= self._settled_at_s

    def _fed(self, audio: bytes) -> bytes:
        self._fed_s += seconds(audio)
        return audio
