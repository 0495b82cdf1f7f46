"""`ari-app install`: beside an Asterisk or FreePBX that is there, and away again."""

import json
import sys
from pathlib import Path

import click

from ari_app.errors import BadInput
from ari_app.install.changes import Plan, apply_plan, plan_uninstall
from ari_app.install.contents import PROGRAM, RECOGNISER, SETTINGS, VOICE, Choices, plan
from ari_app.install.pbx import detect

HIDDEN = ("/home/", "/root/", "/tmp/")


@click.command(name="install")
@click.option(
    "--prefix",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("/"),
    show_default=True,
    help="Root of the system to install into.",
)
@click.option("--etc", default="etc/asterisk", show_default=True, help="Asterisk's configuration, below the prefix.")
@click.option("--dry-run", is_flag=True, help="Show what would change; the default.")
@click.option("--apply", "is_applied", is_flag=True, help="Change it.")
@click.option("--uninstall", is_flag=True, help="Take back what was installed; with --dry-run only show it.")
@click.option("--extension", default="200", show_default=True, help="Where callers are handed over.")
@click.option("--dial", default="", help="Its device; default PJSIP/EXTENSION.")
@click.option("--number", default="700", show_default=True, help="Dialled inside to reach the booking.")
@click.option("--context", default="", help="Your phones' context, which gets NUMBER; FreePBX has one for it.")
@click.option("--program", default="", help=f"Path of ari-app for the units; default this one, or {PROGRAM}.")
@click.option("--fastagi-port", default=4573, show_default=True, type=click.IntRange(1, 65535))
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(
    prefix: Path, etc: str, dry_run: bool, is_applied: bool, uninstall: bool, extension: str, dial: str, number: str,
    context: str, program: str, fastagi_port: int, as_json: bool,
) -> None:  # fmt: skip
    """Put ari_app beside an existing Asterisk or FreePBX: dialplan, ARI and AMI users, settings, systemd units.

    No file of the PBX is overwritten: files of our own, and one line in its own that includes them. The changes are
    shown first; nothing is restarted.

    Example: ari-app install --extension 201 --context from-internal --apply
    """
    if is_applied and (dry_run or uninstall):
        raise BadInput("--apply goes with neither --dry-run nor --uninstall")
    prefix = prefix.absolute()
    kind = ""
    if uninstall:
        made = plan_uninstall(prefix)
    else:
        pbx = detect(prefix, etc)
        kind = pbx.kind
        choices = Choices(extension, dial, number, context, program or _this_program(), fastagi_port)
        made = plan(pbx, choices)
    is_done = is_applied or (uninstall and not dry_run)
    if is_done:
        try:
            apply_plan(prefix, made)
        except PermissionError as exc:
            raise BadInput(f"{exc.filename} can't be written: run it as root; a second run goes on from here") from exc
    _show(prefix, made, kind=kind, is_done=is_done, as_json=as_json)


def _this_program() -> str:
    """The `ari-app` beside this Python, where a hardened unit can reach it."""
    path = str(Path(sys.prefix) / "bin/ari-app")
    return PROGRAM if path.startswith(HIDDEN) or not Path(path).exists() else path


def _show(prefix: Path, made: Plan, *, kind: str, is_done: bool, as_json: bool) -> None:
    if as_json:
        facts = {
            "prefix": str(prefix),
            "pbx": kind,
            "applied": is_done,
            "changes": [
                {
                    "path": each.path,
                    "what": "add" if each.before is None else "edit" if each.after is not None else "remove",
                }
                for each in made.changes
            ],
            "notes": list(made.notes),
        }
        click.echo(json.dumps(facts))
        return
    click.echo(made.diff(), nl=False)
    for note in made.notes:
        click.echo(f"note: {note}")
    files = f"{len(made.changes)} files" if len(made.changes) != 1 else "1 file"
    if not made.changes:
        click.echo("nothing to change")
    elif not is_done:
        click.echo(f"{files} would change{f' ({kind})' if kind else ''}; nothing has been: --apply does it")
    elif kind:
        click.echo(f"{files} changed. Next:\n{_next_steps(prefix, kind)}")
    else:
        click.echo(f"{files} changed. Reload Asterisk, and stop ari-app@* and ari-app-sentinel if they still run")


def _next_steps(prefix: Path, kind: str) -> str:
    reload = "fwconsole reload && asterisk -rx 'core reload'" if kind == "FreePBX" else "asterisk -rx 'core reload'"
    folder = prefix / Path(SETTINGS).parent
    check = (
        f"systemd-run --pipe --wait --uid=ari_app -p EnvironmentFile={folder}/worker.env -p StateDirectory=ari_app"
        " -p CacheDirectory=ari_app -E XDG_DATA_HOME=/var/lib/ari_app -E XDG_CACHE_HOME=/var/cache/ari_app"
        f" {_this_program()} check --config {prefix / SETTINGS}"
    )
    return "\n".join(
        [
            f"  {reload}",
            "  systemd-sysusers && systemctl daemon-reload",
            f"  edit {prefix / SETTINGS}: your business, your calendar",
            f"  edit {folder}/worker.env: the calendar's password",
            f"  XDG_DATA_HOME=/var/lib/ari_app {_this_program()} models pull {RECOGNISER}",
            f"  XDG_DATA_HOME=/var/lib/ari_app {_this_program()} models pull {VOICE}",
            "  chown -R ari_app: /var/lib/ari_app",
            f"  {check}",
            "  systemctl enable --now ari-app-sentinel ari-app@1",
        ]
    )
