"""What changed since the last look: what to ask, comparison, changes, and where they are remembered.

Knows what of a request changes and which lists show it; knows neither HTTP nor the endpoints, which it is
given.
"""

from __future__ import annotations

from timezest_async.changes.change import Change, ChangeKind
from timezest_async.changes.store import ChangeStore, Event, Memory, Update

__all__ = ["Change", "ChangeKind", "ChangeStore", "Event", "Memory", "Update"]
