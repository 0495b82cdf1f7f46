"""The sentinel: a small process of its own that brings callers to a human when their worker dies."""
