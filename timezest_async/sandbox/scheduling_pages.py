"""Where a ``scheduling_url`` leads: the end user chooses a time, another one, or cancels.

Whoever has the URL may do so, with no key. People are shown a page; programs ask for
``application/json``, or send it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from timezest_async.sandbox.acts import Acts
from timezest_async.sandbox.exchange import Request, Response, error_response, json_response
from timezest_async.sandbox.filter_columns import Json
from timezest_async.sandbox.offers import ZONES, minutes_of, offered_times, zone_of
from timezest_async.sandbox.page_markup import HEADERS, View, document, render
from timezest_async.sandbox.routes import PAGES

_JSON: Final = "application/json"
_TOKEN: Final = re.compile(r"[0-9A-Za-z]+")


class _RefusedError(Exception):
    """What the end user asks for cannot be done: a status, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@frozen
class SchedulingPages:
    """Answers at the scheduling URLs.

    Attributes:
        acts: What can be done to the stored requests.
    """

    acts: Acts

    def answer(self, request: Request) -> Response:
        """Show a request's page, or do what the end user asks for on it."""
        is_page = request.content_type != _JSON and (
            "text/html" in request.accept or _JSON not in request.accept
        )
        body = self.acts.store.find_request(request.path) if _TOKEN.fullmatch(_token(request)) else None
        if body is None:
            reason = "There is no such page"
            return _page(404, document(reason, f"<h1>{reason}</h1>")) if is_page else _refusal(404, reason)
        record: Json = json.loads(body)
        try:
            if request.method in {"GET", "HEAD"}:
                zone = self._zone(record, request.query.get("time_zone"))
            elif request.method == "POST":
                record = self._act(record, _fields(request))
                if is_page:
                    return Response(303, headers={**HEADERS, "Location": request.path})
                zone = self._zone(record, None)
            else:
                return evolve(_refusal(405, "Use GET or POST"), headers={"Allow": "GET, HEAD, POST"})
        except _RefusedError as refused:
            if not is_page:
                return _refusal(refused.status, str(refused))
            view = self._view(record, self._zone(record, None))
            return _page(refused.status, render(view, str(refused)))
        view = self._view(record, zone)
        return _page(200, render(view)) if is_page else json_response(200, _told(view, record), _PRIVATE)

    def _act(self, record: Json, fields: Mapping[str, Any]) -> Json:
        action = fields.get("action")
        if action not in ("book", "cancel"):
            raise _RefusedError(422, "action is book or cancel")
        if record["status"] == "closed":
            raise _RefusedError(409, "This request is closed, and can no longer be booked or cancelled")
        if action == "cancel":
            return record if record["status"] == "cancelled" else self.acts.cancel(record["id"])
        name, zone = self._zone(record, fields.get("time_zone"))
        start = fields.get("start_time")
        if isinstance(start, str) and re.fullmatch(r"[0-9]{1,12}", start):
            start = int(start)
        if type(start) is not int:
            raise _RefusedError(422, "Choose a time first: start_time is one of the times that are offered")
        booked = (record["status"], record.get("selected_start_time"), record.get("selected_time_zone"))
        if booked == ("scheduled", start, name):
            return record  # sent twice, as impatient people do
        if start not in self._offers(record, zone):
            raise _RefusedError(409, "That time is no longer offered: choose another one")
        return self.acts.book(record["id"], start, name)

    def _zone(self, record: Json, asked: object) -> tuple[str, ZoneInfo]:
        """Return the time zone to show: the one asked for, else the one of the booking, else UTC."""
        if asked not in (None, ""):
            zone = zone_of(asked)
            if zone is None:
                raise _RefusedError(
                    422, f"There is no time zone {str(asked)[:60]!r}: write it like Europe/Amsterdam"
                )
            return str(asked), zone
        name = record.get("selected_time_zone")
        zone = zone_of(name)
        return ("UTC", ZoneInfo("UTC")) if zone is None else (str(name), zone)

    def _type(self, record: Json) -> Json:
        body = self.acts.store.get("appointment_type", str(record.get("appointment_type_id")))
        return {} if body is None else cast("Json", json.loads(body))

    def _offers(self, record: Json, zone: ZoneInfo) -> list[int]:
        return offered_times(record, minutes_of(record, self._type(record)), zone, self.acts.clock())

    def _view(self, record: Json, chosen: tuple[str, ZoneInfo]) -> View:
        name, zone = chosen
        type_ = self._type(record)
        start = record.get("selected_start_time")
        team: list[Json] = record.get("scheduled_agents") or record.get("resources") or []
        return View(
            title=str(type_.get("external_name") or type_.get("internal_name") or "Appointment"),
            minutes=minutes_of(record, type_),
            end_user=str(record.get("end_user_name") or "you"),
            team=[str(item["name"]) for item in team if item.get("name")],
            status=str(record["status"]),
            booked=None if start is None else datetime.fromtimestamp(start, zone),
            zone=name,
            zones=list(dict.fromkeys((name, *ZONES, "UTC"))),
            offers=[datetime.fromtimestamp(time, zone) for time in self._offers(record, zone)],
        )


_PRIVATE: Final = {"Cache-Control": "no-store"}


def _token(request: Request) -> str:
    return request.path.removeprefix(PAGES)


def _told(view: View, record: Json) -> Json:
    """Say what the page shows, for programs."""
    return {
        "status": view.status,
        "appointment_type": view.title,
        "duration_mins": view.minutes,
        "end_user_name": record.get("end_user_name"),
        "resources": list(view.team),
        "selected_start_time": record.get("selected_start_time"),
        "selected_time_zone": record.get("selected_time_zone"),
        "time_zone": view.zone,
        "times": [] if view.status == "closed" else [int(offer.timestamp()) for offer in view.offers],
    }


def _fields(request: Request) -> Mapping[str, Any]:
    """Read what was sent: the fields of a form, or a JSON object.

    Raises:
        _RefusedError: It is neither.
    """
    try:
        if request.content_type != _JSON:
            return dict(parse_qsl(request.body.decode(), max_num_fields=20))
        fields: Any = json.loads(request.body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise _RefusedError(422, 'The body is a form, or JSON like {"action": "cancel"}')
    return cast("Json", fields)


def _page(status: int, body: bytes) -> Response:
    return Response(status, body, HEADERS)


def _refusal(status: int, reason: str) -> Response:
    return error_response(status, reason, _PRIVATE)
