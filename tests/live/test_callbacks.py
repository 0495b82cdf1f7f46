"""A promised callback is rung by itself: the desk agrees, the customer answers, the two talk, and it is ticked off."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ari_app.lab.phone import PhoneBook
from ari_app.lab.runtime import Lab
from ari_app.store import callbacks
from ari_app.store.database import Database

pytestmark = pytest.mark.live

UID = "promised-in-a-test@ari-app"


async def test_the_desk_and_then_the_customer_are_rung_and_connected(lab: Lab, phones: PhoneBook) -> None:
    desk, customer = phones.line("scheduling"), phones.line("softphone-2")
    desk.forget_rings()
    customer.forget_rings()
    now = datetime.now(UTC)
    async with Database(lab.settings_environment()["ARI_APP_STORE__URL"]) as database:
        await database.run(
            lambda conn: callbacks.promise(
                conn, uid=UID, number=customer.number, now=now, due=now + timedelta(hours=1), name="Ann Smith"
            )
        )
        await lab.start_worker(1, environ=environ_of(lab, await contact_of(lab, "softphone-2")))
        try:
            async with asyncio.timeout(60):
                rung = await desk.ringing(within_s=30)
                assert rung.caller_name == "Ann Smith"
                human = await rung.answer()
                await human.first_sound(human.answered_s, within_s=5)
                assert customer.rings.empty(), "nobody is rung before the desk has agreed"
                await human.press("1")
                answered = await (await customer.ringing(within_s=10)).answer()
                await asyncio.sleep(0.8)
                spoken = await answered.say("hello")
                await human.first_sound(spoken.began_s, within_s=3)
                await human.hang_up()
                await answered.wait_hangup(5)
                found = await database.read(lambda conn: callbacks.listed(conn, is_done_included=True))
                assert [each.ended_at is not None for each in found if each.uid == UID] == [True]
        finally:
            await lab.stop("worker-1")


async def contact_of(lab: Lab, phone: str) -> str:
    """The SIP URI that the phone registered, line parameter and all."""
    shown = await lab.cli(lab.pbx, f"pjsip show aor {phone}")
    found = re.search(rf"Contact:\s+{phone}/(sip:\S+)", shown)
    listed = re.search(r"^\s*contact\s*:\s*(sip:\S+)", shown, re.MULTILINE)
    match = listed or found
    assert match is not None, shown
    return match[1]


def environ_of(lab: Lab, contact: str) -> dict[str, str]:
    """Automatic callbacks, dialled to the lab's own phone, at any hour."""
    text = lab.settings_path.read_text("utf-8")
    for day in ("mon", "tue", "wed", "thu", "fri"):
        text = text.replace(f'{day} = ["09:00-17:30"]', f'{day} = ["00:00-00:00"]')
    text = text.replace("[business.hours]", '[business.hours]\nsat = ["00:00-00:00"]\nsun = ["00:00-00:00"]')
    text += f'auto = true\ndial = "PJSIP/softphone-2/{contact};for={{digits}}"\n'
    path = Path(lab.folder) / "callbacks.toml"
    path.write_text(text, "utf-8")
    return {"ARI_APP_CONFIG": str(path), "ARI_APP_SMS__GATEWAY": "none"}
