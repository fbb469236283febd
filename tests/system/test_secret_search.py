"""The search finds what is there to be found; else that it finds nothing would mean nothing."""

from __future__ import annotations

import base64
import logging
import warnings
from collections.abc import Callable
from urllib.parse import quote

import attrs
import pytest

from tests.secret_search import (
    Search,
    watching_expected_errors,
    watching_logs,
    watching_warnings,
)
from timezest_async import NotFoundError, TimeZestError

# Not MARKER, for which the whole session may be searched.
HIDDEN = "an+0ther/key=to.be.found"


@attrs.frozen
class Holder:
    secret: str = attrs.field(default=HIDDEN, repr=False)


class HidingError(Exception):
    def __init__(self) -> None:
        super().__init__("nothing to see")
        self.hidden = [Holder()]


def raised(make: Callable[[], BaseException]) -> BaseException:
    with pytest.raises(BaseException) as caught:
        raise make()
    return caught.value


def with_cause() -> BaseException:
    error = ValueError("fine")
    error.__cause__ = KeyError(HIDDEN)
    return error


def with_context() -> BaseException:
    error = ValueError("fine")
    error.__context__ = KeyError(f"in {HIDDEN}")
    return error


def with_note() -> BaseException:
    error = ValueError("fine")
    error.add_note(HIDDEN)
    return error


@pytest.mark.parametrize(
    "make",
    [
        lambda: ValueError(HIDDEN),
        lambda: ValueError({"headers": [f"Bearer {HIDDEN}"]}),
        lambda: ValueError(f"Bearer {HIDDEN}".encode()),
        lambda: ValueError(quote(HIDDEN, safe="")),
        lambda: ValueError(base64.b64encode(f"user:{HIDDEN}".encode())),
        lambda: ValueError(base64.b64encode(f"Bearer {HIDDEN}".encode()).decode()),
        lambda: ExceptionGroup("fine", [ValueError("fine"), KeyError(HIDDEN)]),
        lambda: NotFoundError("fine", status=404, errors=[HIDDEN]),
        HidingError,
        with_cause,
        with_context,
        with_note,
    ],
)
def test_it_finds_what_an_error_shows(make: Callable[[], BaseException]) -> None:
    search = Search(HIDDEN)
    search.error(raised(make))
    assert search.found


def test_it_finds_what_a_frame_holds() -> None:
    search = Search(HIDDEN)
    # A frame that is not a test's.
    code = compile("def fail(key):\n    bare = str(key)\n    raise ValueError", "/elsewhere/wire.py", "exec")
    names: dict[str, Callable[[str], None]] = {}
    exec(code, names)
    try:
        names["fail"](HIDDEN)
    except ValueError as error:
        search.error(error)
    assert any("/elsewhere/wire.py:3" in found for found in search.found)


def test_it_finds_what_is_logged_at_any_level_by_anybody() -> None:
    search = Search(HIDDEN)
    with watching_logs(search):
        logging.getLogger("aiohttp.client").debug("sent %s", {"Authorization": HIDDEN})
        logging.getLogger("somebody.else").info("fine", extra={"headers": HIDDEN})
        logging.getLogger("asyncio").error("fine", exc_info=raised(lambda: ValueError(HIDDEN)))
    assert len({found.split(":")[0] for found in search.found}) >= 3


def test_it_finds_what_warnings_and_expected_errors_show() -> None:
    search = Search(HIDDEN)
    with watching_warnings(search):
        warnings.warn(f"{HIDDEN} is not closed", ResourceWarning, stacklevel=1)
    assert search.found
    search.found.clear()
    with watching_expected_errors(search), pytest.raises(TimeZestError):
        raise TimeZestError(HIDDEN)
    assert search.found


def test_it_finds_nothing_where_nothing_is() -> None:
    search = Search(HIDDEN)
    search.error(raised(lambda: NotFoundError("fine", status=404)))
    search.thing("list", [1, "a", {"b": None}])
    search.check()
    assert search.looked
