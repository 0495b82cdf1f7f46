"""The database: customers, call log, outbox, holds, callbacks, journals."""
