"""Text messages: gateways and the sender that drains the outbox."""
