"""The asyncio SDK for TimeZest: typed filters, streamed lists, one request budget."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING, Any as _Any

from timezest_async import (
    matching,  # noqa: F401  # pyright: ignore[reportUnusedImport]  # gives Expression.matches its meaning
    tql,
)
from timezest_async._version import __version__
from timezest_async.budget import Limiter, RateLimiter
from timezest_async.client import TimeZestClient
from timezest_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    BudgetExhaustedError,
    ConfigurationError,
    ConnectionFailedError,
    FilterError,
    FilterSyntaxError,
    IntentBusyError,
    InvalidRequestError,
    InvalidValueError,
    KeyReusedError,
    MultipleFoundError,
    NotFoundError,
    OutcomeUnknownError,
    PaginationError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
    TimeZestError,
    UnexpectedResponseError,
    UnknownAttributeError,
    UnsupportedFilterError,
    UnsupportedOperatorError,
    ValidationError,
)
from timezest_async.idempotency import Created, IntentJournal
from timezest_async.models import (
    Agent,
    AgentDict,
    AgentRole,
    AppointmentType,
    AppointmentTypeDict,
    AssociatedEntity,
    AssociatedEntityDict,
    EntityType,
    Resource,
    ResourceDict,
    ResourceReference,
    ResourceReferenceDict,
    SchedulingRequest,
    SchedulingRequestDict,
    Status,
    Team,
    TeamDict,
    TeamType,
    TriggerMode,
)
from timezest_async.pagination import Checkpoint, Page, Paginator
from timezest_async.serialization import (
    StructureError,
    UnreadableRecord,
    configure_converter,
    make_converter,
)
from timezest_async.tql import And, Expression, Operator, Or, Plan, Predicate, scheduling_request as F
from timezest_async.transport import CallEvent, Hooks, RequestEvent

if _TYPE_CHECKING:
    from timezest_async import export
    from timezest_async.budget.redis.limiter import RedisRateLimiter
    from timezest_async.changes import Change, ChangeKind, ChangeStore
    from timezest_async.changes.sqlite import SQLiteChangeStore
    from timezest_async.idempotency.memory import MemoryJournal
    from timezest_async.idempotency.redis import RedisJournal
    from timezest_async.idempotency.sqlite import SQLiteJournal

__all__ = [
    "APIStatusError",
    "Agent",
    "AgentDict",
    "AgentRole",
    "And",
    "AppointmentType",
    "AppointmentTypeDict",
    "AssociatedEntity",
    "AssociatedEntityDict",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExhaustedError",
    "CallEvent",
    "Change",
    "ChangeKind",
    "ChangeStore",
    "Checkpoint",
    "ConfigurationError",
    "ConnectionFailedError",
    "Created",
    "EntityType",
    "Expression",
    "F",
    "FilterError",
    "FilterSyntaxError",
    "Hooks",
    "IntentBusyError",
    "IntentJournal",
    "InvalidRequestError",
    "InvalidValueError",
    "KeyReusedError",
    "Limiter",
    "MemoryJournal",
    "MultipleFoundError",
    "NotFoundError",
    "Operator",
    "Or",
    "OutcomeUnknownError",
    "Page",
    "PaginationError",
    "Paginator",
    "PermissionDeniedError",
    "Plan",
    "Predicate",
    "RateLimitedError",
    "RateLimiter",
    "RedisJournal",
    "RedisRateLimiter",
    "RequestEvent",
    "RequestTimeoutError",
    "Resource",
    "ResourceDict",
    "ResourceReference",
    "ResourceReferenceDict",
    "SQLiteChangeStore",
    "SQLiteJournal",
    "SchedulingRequest",
    "SchedulingRequestDict",
    "ServerError",
    "Status",
    "StructureError",
    "Team",
    "TeamDict",
    "TeamType",
    "TimeZestClient",
    "TimeZestError",
    "TriggerMode",
    "UnexpectedResponseError",
    "UnknownAttributeError",
    "UnreadableRecord",
    "UnsupportedFilterError",
    "UnsupportedOperatorError",
    "ValidationError",
    "__version__",
    "configure_converter",
    "export",
    "make_converter",
    "tql",
]


_LATE = {
    "Change": "timezest_async.changes",
    "ChangeKind": "timezest_async.changes",
    "ChangeStore": "timezest_async.changes",
    "MemoryJournal": "timezest_async.idempotency.memory",
    "RedisJournal": "timezest_async.idempotency.redis",
    "RedisRateLimiter": "timezest_async.budget.redis.limiter",
    "SQLiteChangeStore": "timezest_async.changes.sqlite",
    "SQLiteJournal": "timezest_async.idempotency.sqlite",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> _Any:
    """Import what few programs need only when it is asked for: it would double the time of the import."""
    if name == "export":
        return _import_module("timezest_async.export")
    if name in _LATE:
        return getattr(_import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
