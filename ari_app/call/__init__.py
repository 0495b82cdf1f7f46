"""One caller's call: session, listening, speaking, actions, conversation."""
