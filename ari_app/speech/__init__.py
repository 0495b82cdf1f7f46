"""Recogniser and synthesiser behind protocols, with Vosk and Piper as their implementations."""
