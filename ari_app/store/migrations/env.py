"""Alembic's entry: the connection, its transaction and its lock come from `ari_app.store.migrate`."""

from alembic import context

from ari_app.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
