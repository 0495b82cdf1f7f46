"""Pure policy: (state, event) -> (state, system acts)."""
