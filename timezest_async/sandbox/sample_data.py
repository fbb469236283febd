"""A made-up managed service provider: its clients, technicians and two years of bookings.

The same seed and the same moment give the same records. All names are fictional, and all addresses
are of the domains that are reserved for examples.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from typing import Final
from zoneinfo import ZoneInfo

from attrs import frozen

from timezest_async.sandbox.filter_columns import Json
from timezest_async.sandbox.offers import ZONES
from timezest_async.sandbox.record_store import Store, contact_key
from timezest_async.sandbox.routes import PAGES

_BASE62: Final = string.digits + string.ascii_letters
_DAYS: Final = 730
_FIRST_NAMES: Final = (  # noqa: SIM905 - a literal would take a line a name
    "Ada Amir Anneke Beatriz Callum Chiara Dana Desmond Elena Emeka Farah Finn Grace Hana Hugo Ines Ivo "
    "Jamal Jonas Kavya Keiko Leo Lucía Malik Marta Nadia Niall Olga Omar Paige Priya Quentin Rosa Ruben "
    "Saoirse Soren Tamsin Tariq Ursula Viktor Wanda Xavier Yara Zoë"
).split()
_LAST_NAMES: Final = (  # noqa: SIM905 - as above
    "Abara Achterberg Bello Brennan Castell Dahl Duarte Eriksen Falk Fontaine Goldberg Haddad Hoang "
    "Ibarra Jansen Kaur Kowalski Lindqvist Mbeki Moreau Nakata Novák O'Dowd Okafor Pereira Quist Rahman "
    "Rossi Sandoval Sørensen Tanaka Thorne Usman Varga Whitlock Yilmaz Zielinski"
).split()
_COMPANIES: Final = (  # noqa: SIM905 - as above
    "Alder Creek Dental, Bluebird Logistics, Cobalt Street Architects, Dovetail Joinery, Eastgate Legal, "
    "Fernhill Primary Care, Granite Peak Outfitters, Harbour Light Hospice, Inkwell Publishing, "
    "Juniper & Rye, Kestrel Aviation Parts, Larkspur Veterinary, Millstone Bakery Group, Northwind Credit "
    "Union, Orchard Lane Schools, Pinewood Property Trust"
).split(", ")
_TEAMS: Final = (
    ("Service Desk", None, "timezest/team"),
    ("Tier 1", "First-line support", "connectwise/service"),
    ("Tier 2", "Second-line support", "connectwise/service"),
    ("Projects", "Project engineers", "connectwise/project"),
    ("Onboarding (old)", None, "timezest/team"),
)
_APPOINTMENT_TYPES: Final = (
    ("Remote Support 30", "Remote support", 30),
    ("Remote Support 60", "Remote support (long)", 60),
    ("On-site Visit", "Visit to your office", 120),
    ("Workstation Setup", None, 90),
    ("Quarterly Review", "Business review", 45),
    ("Quick Call", None, 15),
)
_PEOPLE: Final = {
    "connectwise_psa": "connectwise_psa/contact",
    "autotask": "autotask/contact",
    "halo_psa": "halo_psa/user",
    "service_now": "service_now/contact",
}


@frozen
class _Client:
    """A client of the provider; people are pairs of name and e-mail, ``first_id`` that of the first."""

    psa: str
    id: int
    zone: tuple[str, str]
    people: tuple[tuple[str, str], ...]
    first_id: int


def fill(store: Store, count: int, *, seed: int, now: int, origin: str) -> None:
    """Fill a store with an account's data.

    Args:
        store: An empty store.
        count: How many scheduling requests.
        seed: What everything depends on, together with ``now``.
        now: Epoch seconds; the newest requests are of this day.
        origin: Scheme, host and port, for the scheduling URLs.
    """
    chance = random.Random(seed)  # noqa: S311 - sample data, not secrets
    start = now - _DAYS * 86_400
    agents, teams, types = _directory(chance, start)
    clients = [_client(chance, index, name) for index, name in enumerate(_COMPANIES)]
    store.add(("agent", agent) for agent in agents)
    store.add(("team", team) for team in teams[:-1])
    store.add([("team", teams[-1])], deleted=True)
    store.add(("appointment_type", type_) for type_ in types)
    store.add_contacts(
        (_PEOPLE[client.psa], contact_key(id=_contact_id(client, index)), name, email)
        for client in clients
        for index, (name, email) in enumerate(client.people)
    )
    # The ticket of the vendor's examples.
    store.add_contacts(
        [("connectwise_psa/service_ticket", contact_key(number="#1234"), *clients[0].people[0])]
    )
    contacts: list[tuple[str, str, str | None, str | None]] = []

    def requests() -> Iterator[tuple[str, Json]]:
        for created_at in _creation_times(chance, count, now):
            client = chance.choices(clients, range(len(clients), 0, -1))[0]
            record = _request(chance, (created_at, now), client, (agents, teams[:-1], types))
            record["scheduling_url"] = f"{origin}{PAGES}{record['scheduling_url']}"
            for item in record["associated_entities"]:
                if item.get("number"):
                    person = (record["end_user_name"], record["end_user_email"])
                    contacts.append((item["type"], contact_key(number=item["number"]), *person))
                    contacts.append((item["type"], contact_key(id=item["id"]), *person))
            yield "scheduling_request", record

    store.add(requests())
    store.add_contacts(contacts)


def _id(chance: random.Random, prefix: str) -> str:
    return f"{prefix}_{''.join(chance.choices(_BASE62, k=22))}"


def _person(chance: random.Random, domain: str) -> tuple[str, str]:
    first, last = chance.choice(_FIRST_NAMES), chance.choice(_LAST_NAMES)
    plain = f"{first}.{last}".lower().translate(str.maketrans("áéíóúëø", "aeioueo", "'"))
    return f"{first} {last}", f"{plain}@{domain}"


def _slug(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def _client(chance: random.Random, index: int, name: str) -> _Client:
    # The first four clients see to it that every PSA system occurs.
    psa = list(_PEOPLE)[index] if index < 4 else chance.choices(list(_PEOPLE), (5, 3, 2, 1))[0]
    domain = f"{_slug(name)}.example.{chance.choice(('com', 'org'))}"
    people = tuple(_person(chance, domain) for _ in range(chance.randint(3, 12)))
    return _Client(psa, 19_000 + 37 * index, chance.choice(list(ZONES.items())), people, 31_000 + 100 * index)


def _directory(chance: random.Random, start: int) -> tuple[list[Json], list[Json], list[Json]]:
    stamps = {"created_at": start - 86_400, "updated_at": start}
    agents: list[Json] = []
    for index in range(9):
        name, email = _person(chance, "example.com")
        agents.append(
            {
                "id": _id(chance, "agnt"),
                "object": "agent",
                "name": name,
                "email": email,
                "role": "administrator" if index < 2 else "user",
                "schedulable": index != 1,
                "two_factor_enabled": chance.random() < 0.7,
                "url_slug": _slug(name) if index % 4 else None,
                **stamps,
            }
        )
    teams: list[Json] = [
        {
            "id": _id(chance, "team"),
            "object": "team",
            "internal_name": internal,
            "external_name": external,
            "team_type": team_type,
            "url_slug": _slug(internal) if external else None,
            **stamps,
        }
        for internal, external, team_type in _TEAMS
    ]
    types: list[Json] = [
        {
            "id": _id(chance, "apty"),
            "object": "appointment_type",
            "internal_name": internal,
            "external_name": external,
            "duration_mins": minutes,
            "url_slug": _slug(internal) if external else None,
            **stamps,
        }
        for internal, external, minutes in _APPOINTMENT_TYPES
    ]
    return agents, teams, types


def _creation_times(chance: random.Random, count: int, now: int) -> list[int]:
    """Spread creations over two years: few at weekends and at night, each day busier or quieter."""
    today = datetime.fromtimestamp(now, UTC).date()
    days = [today - timedelta(days=back) for back in range(_DAYS)]
    weights = list(
        accumulate(chance.gammavariate(3, 1) * (0.08 if day.weekday() > 4 else 1.0) for day in days)
    )
    times: list[int] = []
    for day in chance.choices(days, cum_weights=weights, k=count):
        midnight = int(datetime.combine(day, time(), UTC).timestamp())
        second = int(chance.triangular(6 * 3600, 24 * 3600 - 1, 15 * 3600))
        latest = min(second, now - midnight) if day == today else second
        times.append(midnight + max(0, latest))
    return sorted(times)


def _request(
    chance: random.Random, moment: tuple[int, int], client: _Client, directory: tuple[list[Json], ...]
) -> Json:
    created_at, now = moment
    agents, teams, types = directory
    person = chance.randrange(len(client.people))
    name, email = client.people[person]
    asked: Json = chance.choice(agents) if chance.random() < 0.6 else chance.choice(teams)
    type_ = chance.choices(types, (8, 5, 2, 2, 1, 4))[0]
    kind = "object" if chance.random() < 0.1 else "type"
    record: Json = {
        "id": _id(chance, "sreq"),
        "object": "scheduling_request",
        "appointment_type_id": type_["id"],
        "end_user_email": email,
        "end_user_name": None if chance.random() < 0.01 else name,
        "associated_entities": _entities(chance, client, person, created_at),
        "resources": [_reference(asked, kind)],
        "scheduled_agents": [],
        "scheduled_at": None,
        "scheduling_url": "".join(chance.choices(_BASE62, k=20)),
        "selected_start_time": None,
        "selected_time_zone": None,
        "status": "new",
        "created_at": created_at,
        "updated_at": created_at,
    }
    record["status"] = status = chance.choices(
        ("new", "sent", "scheduled", "cancelled", "closed"),
        (15, 45, 38, 2, 0) if now - created_at < 3 * 86_400 else (3, 9, 64, 9, 15),
    )[0]
    booked_at = created_at + 60 + int(chance.expovariate(1 / 20_000))
    was_booked = status == "scheduled" or (status in {"cancelled", "closed"} and chance.random() < 0.5)
    if was_booked:
        booked_at = min(booked_at, max(now, created_at))
        agent = asked if asked["object"] == "agent" else chance.choice(agents)
        record |= {
            "scheduled_agents": [_reference(agent, kind)],
            "scheduled_at": booked_at,
            "selected_start_time": _start(chance, booked_at, client.zone[1]),
            "selected_time_zone": client.zone[chance.random() < 0.05],
        }
    if status != "new":
        record["updated_at"] = min(max(now, created_at), booked_at + chance.randrange(3_600))
    return _extras(chance, record, type_["duration_mins"])


def _reference(resource: Json, kind: str) -> Json:
    name = resource.get("name") or resource.get("external_name") or resource.get("internal_name")
    return {kind: resource["object"], "id": resource["id"], "name": name}


def _entities(chance: random.Random, client: _Client, person: int, created_at: int) -> list[Json]:
    if chance.random() < 0.06:
        return []
    ticket_id = created_at // 300
    ticket: Json = {"type": f"{client.psa}/ticket", "id": ticket_id, "number": str(ticket_id)}
    company: Json = {"type": f"{client.psa}/company", "id": client.id}
    if client.psa == "connectwise_psa":
        kind = "project_ticket" if chance.random() < 0.15 else "service_ticket"
        ticket |= {"type": f"connectwise_psa/{kind}", "number": f"#{ticket_id}"}
    elif client.psa == "autotask":
        day = datetime.fromtimestamp(created_at, UTC)
        ticket |= {"number": f"T{day:%Y%m%d}.{ticket_id % 10_000:04d}"}
    elif client.psa == "halo_psa":
        company |= {"type": "halo_psa/client"}
    else:
        ticket |= {"type": "service_now/task", "id": f"{ticket_id:032x}", "number": f"TASK{ticket_id:07d}"}
    entities = [ticket, {"type": _PEOPLE[client.psa], "id": _contact_id(client, person)}]
    if client.psa != "service_now":
        entities.append(company)
    return entities[: chance.choices((1, 2, 3), (1, 2, 17))[0]]


def _contact_id(client: _Client, person: int) -> int | str:
    number = client.first_id + person
    return f"{number:032x}" if client.psa == "service_now" else number


def _start(chance: random.Random, booked_at: int, zone: str) -> int:
    """Pick a quarter of an hour in the client's business hours, within the next two weeks."""
    local = datetime.fromtimestamp(booked_at, ZoneInfo(zone))
    day: date = local.date() + timedelta(days=1 + int(chance.expovariate(0.4)) % 14)
    while day.weekday() > 4:
        day += timedelta(days=1)
    at = time(chance.randint(8, 16), chance.choice((0, 15, 30, 45)))
    return int(datetime.combine(day, at, ZoneInfo(zone)).timestamp())


def _extras(chance: random.Random, record: Json, minutes: int) -> Json:
    """Add what the reference leaves out, and leave out a few things that it has."""
    bounded = chance.random() < 0.05
    day = datetime.fromtimestamp(record["created_at"], UTC).date()
    record |= {
        "duration_mins": minutes,
        "earliest_date": f"{day + timedelta(days=1)}" if bounded else None,
        "earliest_time": "09:00" if bounded else None,
        "latest_date": f"{day + timedelta(days=21)}" if bounded else None,
        "latest_time": "17:00" if bounded else None,
        "guests_list": ["guest@example.org"] if chance.random() < 0.08 else [],
    }
    if chance.random() < 0.02:
        del record["selected_time_zone" if record["selected_time_zone"] is None else "guests_list"]
    return record
