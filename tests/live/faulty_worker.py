"""`ari-app` whose Vosk or Piper stands still inside the C library while the file `$FAULT` says which.

A recogniser strikes the first who asks alone: the file is renamed to `.struck`, and that one hangs until it is gone.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import piper
import vosk

from ari_app.__main__ import main

FAULT = Path(os.environ["FAULT"])
STRUCK = FAULT.with_suffix(".struck")

final_result = vosk.KaldiRecognizer.FinalResult
synthesize = piper.PiperVoice.synthesize


def is_struck(what: str) -> bool:
    return FAULT.exists() and FAULT.read_text("utf-8") == what


def hanging_final_result(self: vosk.KaldiRecognizer) -> str:
    """Hangs for the first who asks."""
    if is_struck("recogniser"):
        FAULT.rename(STRUCK)
        while STRUCK.exists():
            time.sleep(0.1)
    return final_result(self)


def hanging_synthesize(self: piper.PiperVoice, *arguments: object) -> Iterator[object]:
    """Hangs for everybody while the fault lasts."""
    while is_struck("synthesiser"):
        time.sleep(0.1)
    return synthesize(self, *arguments)


if __name__ == "__main__":
    vosk.KaldiRecognizer.FinalResult = hanging_final_result
    piper.PiperVoice.synthesize = hanging_synthesize
    main()
