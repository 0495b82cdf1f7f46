"""From settings to what can be booked; a mistake in them is named by its key."""

from datetime import date
from pathlib import Path

import pytest

from ari_app.booking.build import build_service, closed_days, diary_from
from ari_app.config import BusinessSettings, CaldavSettings, Settings, load_settings
from ari_app.errors import ConfigInvalid
from ari_app.store.database import Database

SAMPLE = Path(__file__).parents[2] / "docker" / "ari_app.toml"


def test_the_sample_settings_make_a_diary() -> None:
    diary = diary_from(load_settings(SAMPLE, {}))
    assert set(diary.services) >= {"cleaning"}
    assert all(name in diary.resources for item in diary.services.values() for group in item.groups for name in group)


def test_public_holidays_and_own_closures_say_their_names() -> None:
    closed = closed_days(BusinessSettings(country="GB", subdivision="ENG", closed_on=(date(2026, 3, 2),)))
    assert closed(date(2026, 12, 25)) == "holiday Christmas Day"
    assert closed(date(2026, 3, 2)) == "closed"
    assert closed(date(2026, 3, 3)) == ""
    assert closed_days(BusinessSettings(observe_holidays=False))(date(2026, 12, 25)) == ""


@pytest.mark.parametrize("business", [{"country": "ZZ"}, {"subdivision": "NOWHERE"}])
def test_a_country_without_known_holidays_is_named(business: dict[str, str]) -> None:
    with pytest.raises(ConfigInvalid, match="country"):
        closed_days(BusinessSettings.model_validate(business))


async def test_an_unknown_server_profile_is_named(tmp_path: Path) -> None:
    settings = Settings(caldav=CaldavSettings(quirks="no-such-server"))
    async with Database(f"sqlite:///{tmp_path / 'x.db'}") as database:
        with pytest.raises(ConfigInvalid, match=r"caldav\.quirks"):
            build_service(settings, database)
