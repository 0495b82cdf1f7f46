"""Fill the Docker lab's calendar and customers as `ari-app lab up` does; /tmp/seeded then tells the health check."""

import asyncio
import os
from datetime import date
from pathlib import Path

from ari_app.errors import StoreUnavailable
from ari_app.lab.calendar_server import seed_calendars
from ari_app.lab.credentials import SERVICES, Credentials
from ari_app.lab.places import LOOPBACK, Ports
from ari_app.lab.rootfs import AsteriskRoot
from ari_app.lab.runtime import Lab


async def main() -> None:
    ports = Ports(0)
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, ports.caldav)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            break
    await seed_calendars(ports.caldav, os.environ["LAB_CALDAV"], date.today())  # noqa: DTZ011 - the container's own day
    nobody = Credentials(dict.fromkeys(SERVICES, ""))
    lab = Lab(Path("/tmp"), ports, AsteriskRoot(Path("/"), ""), nobody)
    async with asyncio.timeout(60):
        while True:
            try:
                await lab.seed_customers()
            except StoreUnavailable:  # a database server that is still starting
                await asyncio.sleep(0.5)
                continue
            break


asyncio.run(main())
Path("/tmp/seeded").touch()
