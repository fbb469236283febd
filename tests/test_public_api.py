"""The names that users rely on, and the errors they catch."""

from __future__ import annotations

import asyncio
import copy
import importlib
import inspect
import pickle
import pkgutil
import re
import traceback
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

import timezest_async
from timezest_async import TimeZestClient, TimeZestError, errors, tql
from timezest_async.export.functions import Options
from timezest_async.sandbox import Sandbox

# Names

PACKAGES = [
    timezest_async,
    *(
        importlib.import_module(found.name)
        for found in pkgutil.iter_modules(timezest_async.__path__, "timezest_async.")
        if found.ispkg
    ),
]
PROMISED = {
    "timezest_async": """
        F tql Expression Predicate And Or Operator Plan
        TimeZestClient RateLimiter Page Paginator Checkpoint
        SchedulingRequest AssociatedEntity ResourceReference Agent Team AppointmentType Resource
        Status TriggerMode EntityType AgentRole TeamType
        TimeZestError FilterError UnknownAttributeError UnsupportedOperatorError InvalidValueError
        UnsupportedFilterError FilterSyntaxError ConfigurationError InvalidRequestError ConnectionFailedError
        RequestTimeoutError OutcomeUnknownError UnexpectedResponseError PaginationError APIStatusError
        BadRequestError AuthenticationError PermissionDeniedError NotFoundError ValidationError
        RateLimitedError ServerError BudgetExhaustedError make_converter configure_converter
        Created IntentJournal MemoryJournal SQLiteJournal RedisJournal IntentBusyError KeyReusedError
    """,
    "timezest_async.tql": """
        scheduling_request agent team resource appointment_type
        all_of any_of render parse plan raw Plan Expression Predicate And Or Operator
    """,
    "timezest_async.sandbox": "Sandbox",
    "timezest_async.cli": "main",
}


def reading_order(name: str) -> tuple[int, str]:
    """Sort as Ruff does: constants, classes, the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2), name


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_all_is_sorted_and_exact(package: ModuleType) -> None:
    listed: list[str] = package.__all__
    assert listed == sorted(listed, key=reading_order)
    assert len(listed) == len(set(listed))
    defined = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", "").startswith("timezest_async")
    }
    assert defined <= set(listed), "what is imported is listed"
    for name in listed:
        assert hasattr(package, name)


@pytest.mark.parametrize("package", PROMISED)
def test_what_is_promised_is_there(package: str) -> None:
    assert not set(PROMISED[package].split()) - set(importlib.import_module(package).__all__)


def test_what_is_imported_late_is_listed_too() -> None:
    assert set(timezest_async.__all__) <= set(dir(timezest_async))


def test_help_names_endpoints_and_options() -> None:
    client = inspect.getdoc(TimeZestClient) or ""
    assert not [name for name in vars(TimeZestClient("key")) if name[0] != "_" and f"{name}: " not in client]
    for function in ("to_jsonl", "to_csv", "to_parquet", "to_sqlite", "to_duckdb"):
        shown = inspect.getdoc(getattr(timezest_async.export, function)) or ""
        assert not [name for name in Options.__annotations__ if f"{name}: " not in shown]


def test_the_face_defines_nothing_but_what_is_imported_late() -> None:
    members = vars(timezest_async).items()
    owned = [value for name, value in members if callable(value) and name not in {"__getattr__", "__dir__"}]
    assert not [value for value in owned if getattr(value, "__module__", "") == "timezest_async"]


def test_the_short_names_are_the_long_ones() -> None:
    assert timezest_async.F is tql.scheduling_request
    assert timezest_async.Plan is tql.Plan


# The tree of errors

TREE = """
TimeZestError
├── FilterError (ValueError)
│   ├── UnknownAttributeError (AttributeError)
│   ├── UnsupportedOperatorError (AttributeError, TypeError)
│   ├── InvalidValueError
│   ├── UnsupportedFilterError
│   └── FilterSyntaxError
├── ConfigurationError (ValueError)
├── InvalidRequestError (ValueError)
├── ConnectionFailedError
├── RequestTimeoutError
├── BudgetExhaustedError
├── MultipleFoundError
├── OutcomeUnknownError
├── IntentBusyError
├── KeyReusedError (ValueError)
├── UnexpectedResponseError
├── PaginationError
└── APIStatusError
    ├── BadRequestError
    ├── AuthenticationError
    ├── PermissionDeniedError
    ├── NotFoundError
    ├── ValidationError
    ├── RateLimitedError
    └── ServerError
"""
"""What the users were promised."""


def edges(drawing: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Read a drawn tree: each class with its bases."""
    above: dict[int, str] = {}
    for line in drawing.splitlines():
        found = re.match(r"([│├└─ ]*)\b(\w+Error)(?: \(([\w, ]+)\))?", line)
        if found:
            branches, name, others = found.groups()
            depth = len(branches) // 4
            above[depth] = name
            bases = [above[depth - 1]] if depth else ["Exception"]
            yield name, (*bases, *(others.split(", ") if others else ()))


def every_class(root: type[TimeZestError]) -> Iterator[type[TimeZestError]]:
    yield root
    for child in root.__subclasses__():
        yield from every_class(child)


def test_the_errors_are_as_drawn() -> None:
    drawn = dict(edges((errors.__doc__ or "").split("\n::\n")[1].replace("\n    ", "\n")))
    real = {
        cls.__name__: tuple(base.__name__ for base in cls.__bases__) for cls in every_class(TimeZestError)
    }
    assert drawn == real == dict(edges(TREE))


def test_every_error_is_in_the_face() -> None:
    for cls in every_class(TimeZestError):
        assert getattr(timezest_async, cls.__name__) is cls


# The errors themselves

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ARGUMENTS: dict[str, dict[str, Any]] = {
    "UnknownAttributeError": {"entity": "agent", "attribute": "nam", "suggestion": "name"},
    "UnsupportedOperatorError": {"attribute": "scheduling_request.created_at", "operator": "LIKE"},
    "InvalidValueError": {"attribute": "scheduling_request.status", "value": 3},
    "FilterSyntaxError": {"text": "status = ", "column": 10, "hint": "write a value"},
    "ConnectionFailedError": {"never_sent": True},
    "RequestTimeoutError": {"seconds": 30.0},
    "BudgetExhaustedError": {"retry_after": 42.5},
    "IntentBusyError": {"retry_after": 12.5},
    "UnexpectedResponseError": {"status": 200, "body_start": "<html>", "retryable": True},
    "OutcomeUnknownError": {"parameters": {"resource_ids": ["agnt_1"]}, "sent_at": NOW, "status": 502},
    **{
        cls.__name__: {
            "status": 503,
            "errors": {"end_user_email": ["is missing"]},
            "retry_after": 2.5,
            "request_method": "POST",
            "request_path": "/v1/scheduling_requests",
        }
        for cls in every_class(errors.APIStatusError)
    },
}
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle protocol {protocol}": lambda error, protocol=protocol: pickle.loads(
            pickle.dumps(error, protocol)
        )
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.fixture(params=every_class(TimeZestError), ids=lambda cls: cls.__name__)
def error(request: pytest.FixtureRequest) -> TimeZestError:
    cls: Any = request.param
    made: TimeZestError = cls("it went wrong", **ARGUMENTS.get(cls.__name__, {}))
    return made


def test_errors_show_their_data(error: TimeZestError) -> None:
    assert "it went wrong" in str(error)
    assert "it went wrong" in repr(error)
    for name, value in ARGUMENTS.get(type(error).__name__, {}).items():
        assert getattr(error, name) == value
    assert type(error.retryable) is bool
    assert error.checkpoint is None
    assert error.retries_taken == 0
    if isinstance(error, errors.APIStatusError):
        assert str(error) == (
            "503 for POST /v1/scheduling_requests: it went wrong ({'end_user_email': ['is missing']})"
        )


@pytest.mark.parametrize("way", COPIES)
def test_errors_survive_copying(error: TimeZestError, way: str) -> None:
    error.checkpoint = timezest_async.Checkpoint("/scheduling_requests", ("",), position={"after": "sreq_1"})
    error.retries_taken = 4
    twin = COPIES[way](error)
    assert type(twin) is type(error)
    assert twin is not error
    assert twin.args == error.args
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)
    assert repr(twin) == repr(error)
    assert twin.retryable is error.retryable


def test_a_refused_value_that_cannot_be_pickled_is_told_by_its_repr() -> None:
    value = iter([1])
    error = errors.InvalidValueError("no", attribute="a", value=value)
    assert error.value is value
    assert pickle.loads(pickle.dumps(error)).value == repr(value)


def test_which_errors_are_worth_another_try() -> None:
    def retryable(cls: Any, status: int) -> bool:
        return bool(cls("no", status=status).retryable)

    assert [status for status in range(500, 512) if retryable(errors.ServerError, status)] == [
        500,
        502,
        503,
        504,
    ]
    assert retryable(errors.RateLimitedError, 429)
    assert not retryable(errors.NotFoundError, 404)


# The caret

COLUMNS = [1, 2, 30, 60, 61, 62, 63, 100, 139, 140, 141, 142, 199, 200, 201]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("length", [0, 1, 59, 60, 61, 120, 121, 200])
def test_the_caret_stands_under_its_column(column: int, length: int) -> None:
    text = "".join(chr(0x100 + index) for index in range(length))
    column = min(column, length + 1)
    error = errors.FilterSyntaxError("bad", text=text, column=column, hint="do this")
    reason, shown, caret, hint = str(error).split("\n")
    assert reason == f"bad (column {column})"
    assert hint.strip() == "do this"
    assert caret.strip() == "^"
    position = caret.index("^")
    if column <= length:
        assert shown[position] == text[column - 1]
    else:
        assert position == len(shown)
    assert len(shown) <= 2 + 2 * 60 + 2


def test_a_reader_of_filters_points_at_what_is_wrong() -> None:
    with pytest.raises(errors.FilterSyntaxError) as caught:
        tql.parse("status = new or")
    assert caught.value.column == len("status = new or") + 1
    with pytest.raises(errors.UnknownAttributeError, match=r"\(column 14\)\n  status = new|\^"):
        tql.parse("status=a and statuz=b")


# No secret

KEY = "tz_live_5up3rs3cr3t"


async def _fails(base_url: str, key: str = KEY, **options: Any) -> None:
    async with TimeZestClient(key, base_url, max_attempts=1, **options) as client:
        await client.scheduling_requests.list().to_list()


async def _unauthorised() -> None:
    async with Sandbox(api_key="another") as sandbox:
        await _fails(sandbox.base_url)


async def _too_late() -> None:
    async with Sandbox(api_key=KEY, latency=1.0) as sandbox:
        await _fails(sandbox.base_url, timeout=0.01)


async def _elsewhere() -> None:
    await _fails("http://127.0.0.1:9/v1")


async def _unfit_key() -> None:
    await _fails("http://127.0.0.1:9/v1", KEY + "\n")


async def _unfit_url() -> None:
    await _fails("ftp://127.0.0.1/v1")


FAILURES = {
    _unauthorised: errors.AuthenticationError,
    _too_late: errors.RequestTimeoutError,
    _elsewhere: errors.ConnectionFailedError,
    _unfit_key: errors.ConfigurationError,
    _unfit_url: errors.ConfigurationError,
}


@pytest.mark.parametrize("fails", FAILURES, ids=lambda fails: fails.__name__)
def test_errors_carry_no_key(fails: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with pytest.raises(FAILURES[fails]) as caught:
        asyncio.run(fails())
    shown = [str(caught.value), repr(caught.value), repr(vars(caught.value)), repr(caught.value.args)]
    shown.append(pickle.dumps(caught.value).decode("latin-1"))
    # What a tool that logs local variables would write of the package's own frames.
    package = timezest_async.__path__[0]
    chain: BaseException | None = caught.value
    while chain is not None:
        for frame, _ in traceback.walk_tb(chain.__traceback__):
            if frame.f_code.co_filename.startswith(package) and "/sandbox/" not in frame.f_code.co_filename:
                shown.append(repr(dict(frame.f_locals)))
        chain = chain.__cause__ or chain.__context__
    assert not [text for text in shown if KEY in text]
