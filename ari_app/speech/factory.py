"""Recogniser and synthesiser as the settings ask for them."""

from ari_app.config import Settings
from ari_app.speech.models import ModelKind, cache_directory, find_model
from ari_app.speech.phrase_cache import PhraseCache
from ari_app.speech.piper_synthesiser import PiperSynthesiser
from ari_app.speech.vosk_recogniser import VoskRecogniser


def build_recogniser(settings: Settings) -> VoskRecogniser:
    """Load the configured recogniser (a second or more for a big model); raises ModelMissing, SpeechError."""
    path = find_model(settings, ModelKind.RECOGNISER, settings.speech.recogniser)
    return VoskRecogniser(path, threads=settings.speech.threads, is_plain=settings.turns.baseline)


def build_synthesiser(settings: Settings) -> PiperSynthesiser:
    """Load the configured voice with its phrase cache; raises ModelMissing, SpeechError."""
    path = find_model(settings, ModelKind.VOICE, settings.speech.voice)
    cache = PhraseCache(cache_directory(settings), max_bytes=settings.speech.cache_bytes)
    return PiperSynthesiser(
        path,
        cache,
        threads=settings.speech.threads,
        length_scale=settings.speech.length_scale,
        is_plain=settings.turns.baseline,
    )
