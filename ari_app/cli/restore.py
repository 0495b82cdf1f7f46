"""`ari-app restore`: a backup checked, and put back."""

import json
import os
from datetime import datetime
from pathlib import Path

import click

from ari_app.cli.stored import as_json, config, settings_file
from ari_app.config import load_settings
from ari_app.errors import BadInput
from ari_app.store.backup import as_json as plain
from ari_app.store.backup import restore_database
from ari_app.store.backup_archive import SETTINGS, opened_backup


@click.command(name="restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a database that is there (an SQLite one is kept aside).")
@click.option("--verify", is_flag=True, help="Only check the backup.")
@as_json
@config
def command(file: Path, force: bool, verify: bool, as_json: bool, config: Path | None) -> None:
    """Check a backup's digests, then bring back its database and, where there is none, its settings file.

    Stop the workers first. Texts that were still to be sent when the backup was made stay unsent: they may have been
    sent since.

    Example: ari-app restore /var/backups/ari-app.tar --force
    """
    with opened_backup(file) as (manifest, folder):
        facts: dict[str, object] = {"file": str(file), "backup": plain(manifest)}
        said = [f"{file}: whole, made {manifest.created:%Y-%m-%d %H:%M} by ari-app {manifest.program}"]
        if not verify:
            written = _settings(folder / SETTINGS, config)
            settings = load_settings(config)
            now = datetime.now(settings.business.zone)
            restored = restore_database(manifest, folder, settings.store.url, force=force, now=now)
            facts |= {"restored": plain(restored), "settings_written": written}
            said += [f"settings written to {written}"] if written else []
            said += [f"database restored (schema {restored.schema_now}), {restored.texts_stopped} texts stopped"]
            said += [f"what was there before is kept in {restored.kept_aside}"] if restored.kept_aside else []
    click.echo(json.dumps(facts) if as_json else "\n".join(said))


def _settings(saved: Path, config: Path | None) -> str:
    """Write the settings file where there is none; one that differs is left alone, the saved one put beside it."""
    if not saved.exists():
        return ""
    present = settings_file(config)
    named = os.environ.get("ARI_APP_CONFIG")
    target = present or config or Path(named or SETTINGS)
    if present is not None:
        if present.read_bytes() == saved.read_bytes():
            return ""
        target = present.with_name(f"{present.name}.from-backup")
    try:
        target.write_bytes(saved.read_bytes())
        target.chmod(0o600)
    except OSError as exc:
        raise BadInput(f"{target}: {exc.strerror}") from exc
    return str(target)
