"""`ari-app backup`: database and settings in one file, taken while calls go on."""

import json
from datetime import datetime
from pathlib import Path

import click

from ari_app.cli.stored import as_json, config, settings_file
from ari_app.config import load_settings
from ari_app.errors import BadInput
from ari_app.store.backup import as_json as plain
from ari_app.store.backup import write_backup


@click.command(name="backup")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@as_json
@config
def command(file: Path | None, force: bool, as_json: bool, config: Path | None) -> None:
    """Save the database and the settings file to FILE (default ari-app-DATE.tar), for its owner's eyes only.

    Not in it: secrets that come from the environment, the calendar (the CalDAV server's own), models, phrase cache.

    Example: ari-app backup /var/backups/ari-app.tar --force
    """
    settings = load_settings(config)
    now = datetime.now(settings.business.zone)
    target = file or Path(f"ari-app-{now:%Y%m%d-%H%M%S}.tar")
    if target.exists() and not force:
        raise BadInput(f"{target} is there already: name another file, or give --force")
    manifest = write_backup(settings.store.url, settings_file(config), target, now=now)
    if as_json:
        click.echo(json.dumps({"file": str(target)} | plain(manifest)))
        return
    for name, entry in manifest.files.items():
        click.echo(f"  {name}  {entry.bytes:,} bytes  sha256 {entry.sha256[:16]}")
    click.echo(f"saved to {target} (schema {manifest.schema_revision})")
