"""Look for secrets in everything that may show them.

To watch a whole session: import ``nothing_shows_the_key`` in ``tests/conftest.py``, and let the sandboxes
and clients of the tests use ``MARKER`` as their API key.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import pickle
import sys
import traceback
import types
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from _pytest.logging import LogCaptureHandler
from _pytest.raises import RaisesExc

from timezest_async import TimeZestError

MARKER = "k3y+that/must=not.show"
"""An API key to be found wherever it is, quoted or in base64."""

_TESTS = str(Path(__file__).parent)
_SANDBOX = "/timezest_async/sandbox/"


class Search:
    """Look for secrets, and remember where they were found.

    Args:
        secrets: What must not be found, nor in base64, nor quoted for a URL.
    """

    def __init__(self, *secrets: str) -> None:
        self._forms = {form for secret in secrets for form in _forms(secret)}
        self.found: list[str] = []
        self.looked = 0
        self._errors_seen: set[int] = set()

    def look(self, where: str, thing: str | bytes) -> None:
        """Look at a text."""
        self.looked += 1
        text = thing.decode("latin-1") if isinstance(thing, bytes) else thing
        for form in self._forms:
            if (at := text.find(form)) >= 0:
                self.found.append(f"{where}: …{text[max(0, at - 80) : at + 80]}…")

    def thing(self, where: str, thing: object) -> None:
        """Look at how an object shows itself: all ways of printing it, and its members' ways."""
        self._thing(where, thing, set(), depth=6)

    def _thing(self, where: str, thing: object, seen: set[int], depth: int) -> None:
        if id(thing) in seen or depth == 0 or isinstance(thing, types.ModuleType | type | types.FunctionType):
            return
        seen.add(id(thing))
        self.look(f"repr of {where}", _shown(thing))
        if not isinstance(thing, str):
            with contextlib.suppress(Exception):
                self.look(f"str of {where}", f"{thing} {thing!s}")
        members: list[tuple[object, object]] = []
        if isinstance(thing, Mapping):
            members = list(thing.items())
        elif isinstance(thing, list | tuple | set | frozenset):
            members = list(enumerate(thing))
        elif type(thing).__module__.startswith("timezest_async") or isinstance(thing, BaseException):
            members = list(getattr(thing, "__dict__", {}).items())
            kind: Any = type(thing)
            if attrs.has(kind):
                members += [(field.name, getattr(thing, field.name, None)) for field in attrs.fields(kind)]
        for name, member in members:
            self._thing(f"{where}.{name}", member, seen, depth - 1)

    def error(self, error: BaseException) -> None:
        """Look at an exception: what it shows, holds, pickles to, its chain, its frames with their locals."""
        todo: list[BaseException | None] = [error]
        while todo:
            one = todo.pop()
            if one is None or id(one) in self._errors_seen:
                continue
            self._errors_seen.add(id(one))
            name = type(one).__name__
            self.thing(name, one)
            self.thing(f"{name}.args", one.args)
            self.look(f"notes of {name}", "\n".join(getattr(one, "__notes__", ())))
            self._traceback(name, one)
            with contextlib.suppress(Exception):
                self.look(f"pickle of {name}", pickle.dumps(one))
            if isinstance(one, TimeZestError):
                self.thing(f"{name} that was pickled", pickle.loads(pickle.dumps(one)))
                if one.checkpoint is not None:
                    self.look("checkpoint", one.checkpoint.to_text() + repr(one.checkpoint))
            if isinstance(one, BaseExceptionGroup):
                todo += one.exceptions
            todo += [one.__cause__, one.__context__]

    def _traceback(self, name: str, error: BaseException) -> None:
        self.look(f"traceback of {name}", "".join(traceback.format_exception_only(error)))
        # What a traceback with locals shows; but that of Python 3.11 breaks off where an object that is just
        # being made cannot show itself yet.
        for frame, line in traceback.walk_tb(error.__traceback__):
            file = frame.f_code.co_filename
            # Frames of tests hold the key on purpose, and the sandbox has it to compare with.
            if not file.startswith(_TESTS) and _SANDBOX not in file:
                for local, value in frame.f_locals.items():
                    self.look(f"{name} in {file}:{line}: {local}", _shown(value))

    def warning(self, message: object) -> None:
        """Look at a warning."""
        self.thing("warning", message)

    def record(self, record: logging.LogRecord) -> None:
        """Look at a log record, its arguments and extras included."""
        where = f"log of {record.name}"
        self.look(where, record.getMessage() + repr(vars(record)))
        self.thing(where, record.args)
        if record.exc_info and record.exc_info[1] is not None:
            self.error(record.exc_info[1])

    def check(self) -> None:
        """Fail, naming the places, if anything was found."""
        if self.found:
            pytest.fail("\n".join([f"found {len(self.found)} times:", *self.found[:20]]), pytrace=False)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - whatever it is that a repr raises
        return f"<{type(error).__name__}>"


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    # Where a secret stands inside of what is encoded decides which letters it becomes; the middle of each
    # alignment is the same whatever stands around it.
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret.encode()).decode()
        yield encoded[4:-4]


class _Handler(logging.Handler):
    def __init__(self, search: Search) -> None:
        super().__init__(logging.DEBUG)
        self._search = search

    def emit(self, record: logging.LogRecord) -> None:
        self._search.record(record)


@contextlib.contextmanager
def watching_logs(search: Search) -> Iterator[None]:
    """Look at every log record from DEBUG on, of every logger."""
    root, handler = logging.getLogger(), _Handler(search)
    level = root.level
    named = [logging.getLogger(name) for name in ("asyncio", "aiohttp", "aiohttp.client", "timezest_async")]
    levels = [logger.level for logger in named]
    root.addHandler(handler)
    for logger in (root, *named):
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for logger, its_level in zip(named, levels, strict=True):
            logger.setLevel(its_level)


@contextlib.contextmanager
def watching_warnings(search: Search) -> Iterator[list[warnings.WarningMessage]]:
    """Look at every warning, and let none become an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
    for warning in caught:
        search.warning(warning.message)
        search.thing("source of a warning", warning.source)


@contextlib.contextmanager
def watching_expected_errors(search: Search) -> Iterator[None]:
    """Look at every exception that a ``pytest.raises`` catches, if it came through the transport."""
    leave = RaisesExc.__exit__

    def look_and_leave(self: Any, kind: Any, error: Any, trace: Any) -> bool:
        if error is not None and _came_through_the_transport(error):
            search.error(error)
        return leave(self, kind, error, trace)

    RaisesExc.__exit__ = look_and_leave  # type: ignore[method-assign]  # pytest has no hook for this
    try:
        yield
    finally:
        RaisesExc.__exit__ = leave  # type: ignore[method-assign]  # as above


def _came_through_the_transport(error: BaseException) -> bool:
    return isinstance(error, TimeZestError) or any(
        "/timezest_async/transport/" in frame.f_code.co_filename
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


@contextlib.contextmanager
def watching_what_python_swallows(search: Search) -> Iterator[None]:
    """Look at exceptions in finalizers."""
    hook = sys.unraisablehook

    def look(what: Any) -> None:
        if what.exc_value is not None:
            search.error(what.exc_value)
        search.look("unraisable", repr(what.object))
        hook(what)

    sys.unraisablehook = look
    try:
        yield
    finally:
        sys.unraisablehook = hook


@contextlib.contextmanager
def _capturing_as_usual() -> Iterator[None]:
    """Keep from pytest's capturing what is logged only because we listen, unless a test asks for it."""
    emit = LogCaptureHandler.emit

    def emit_as_usual(self: LogCaptureHandler, record: logging.LogRecord) -> None:
        if self.level != logging.NOTSET or record.levelno >= logging.WARNING:
            emit(self, record)

    LogCaptureHandler.emit = emit_as_usual  # type: ignore[method-assign]  # pytest has no hook for this
    try:
        yield
    finally:
        LogCaptureHandler.emit = emit  # type: ignore[method-assign]  # as above


@pytest.fixture(scope="session", autouse=True)
def nothing_shows_the_key() -> Iterator[None]:
    """Fail the session if a log record or an expected error of any test shows ``MARKER``."""
    search = Search(MARKER)
    with watching_logs(search), _capturing_as_usual(), watching_expected_errors(search):
        yield
    search.check()
