"""A self-hosted telephone receptionist: an ARI Stasis application that books appointments."""

__version__ = "0.1.0"
