from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources

import pytest

from timezest_async.models import SchedulingRequest
from timezest_async.models.time_zones import RAILS_ZONES, find_zone

KNOWN = set((resources.files("tzdata") / "zones").read_text().split())


def test_there_are_all_of_rails_zones() -> None:
    assert len(RAILS_ZONES) == 154
    assert RAILS_ZONES["Pacific Time (Canada)"] == "America/Vancouver"
    assert RAILS_ZONES["Alberta"] == "America/Edmonton"
    assert {"Eastern Time (US & Canada)", "Arizona", "Nuku'alofa", "St. Petersburg"} < set(RAILS_ZONES)


@pytest.mark.parametrize("name", sorted(RAILS_ZONES))
def test_every_rails_zone_resolves(name: str) -> None:
    zone = find_zone(name)
    assert zone is not None
    assert zone.key == RAILS_ZONES[name]


def test_every_target_is_a_zone_of_tzdata() -> None:
    # Machines without a zone database of their own, such as Windows, have this one.
    assert set(RAILS_ZONES.values()) <= KNOWN


def test_a_rails_zone_named_for_a_place_keeps_that_places_time() -> None:
    places: dict[str, set[str]] = {}
    for name in KNOWN - {"US/Samoa", "Pacific/Samoa"}:  # American Samoa, which Rails calls by that name
        places.setdefault(name.rpartition("/")[2].replace("_", " "), set()).add(name)
    checked = 0
    for rails, target in RAILS_ZONES.items():
        for name in places.get(rails, ()):
            for month in range(1, 13):
                moment = datetime(2024, month, 1, tzinfo=UTC)
                here, there = zoneinfo.ZoneInfo(target), zoneinfo.ZoneInfo(name)
                assert moment.astimezone(here).utcoffset() == moment.astimezone(there).utcoffset(), rails
            checked += 1
    assert checked > 100


def test_every_iana_zone_resolves() -> None:
    for name in zoneinfo.available_timezones() - set(RAILS_ZONES):
        zone = find_zone(name)
        assert zone is not None
        assert zone.key == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/", "../../etc/passwd", "/etc/passwd", "America", "America/", "a\0b", "Mars/Base",
     "\ud800", "x" * 5000, "zone.tab", " UTC", "C:\\zone"],
)  # fmt: skip
def test_a_name_that_is_no_zone_gives_none(name: str) -> None:
    assert find_zone(name) is None
    assert request(name, datetime(2024, 1, 1, tzinfo=UTC)).local_start_time is None


def request(zone: str | None, start: datetime | None) -> SchedulingRequest:
    return SchedulingRequest(
        id="sreq_1",
        status="scheduled",
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
        selected_time_zone=zone,
        selected_start_time=start,
    )


@pytest.mark.parametrize(
    ("zone", "start", "local"),
    [
        ("Eastern Time (US & Canada)", "2024-01-15T12:00Z", "2024-01-15T07:00-05:00"),
        ("Eastern Time (US & Canada)", "2024-07-15T12:00Z", "2024-07-15T08:00-04:00"),
        ("Arizona", "2024-07-15T12:00Z", "2024-07-15T05:00-07:00"),
        ("Europe/London", "2024-03-31T00:59Z", "2024-03-31T00:59+00:00"),
        ("Europe/London", "2024-03-31T01:00Z", "2024-03-31T02:00+01:00"),
        ("Kathmandu", "2024-01-01T00:00Z", "2024-01-01T05:45+05:45"),
    ],
)
def test_local_start_time_follows_daylight_saving(zone: str, start: str, local: str) -> None:
    found = request(zone, datetime.fromisoformat(start)).local_start_time
    assert found is not None
    assert found.isoformat(timespec="minutes") == local
    assert found - datetime.fromisoformat(start) == timedelta(0)


def test_without_zone_or_start_there_is_no_local_time() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    assert request(None, start).time_zone is None
    assert request(None, start).local_start_time is None
    assert request("Arizona", None).local_start_time is None
