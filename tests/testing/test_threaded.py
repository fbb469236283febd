"""A sandbox for synchronous tests, by itself."""

from __future__ import annotations

import threading

import pytest

from timezest_async import ConfigurationError
from timezest_async.testing import TimeZestSandbox, lend_client, make_request


def test_it_is_used_while_it_runs_only_and_leaves_no_thread() -> None:
    before = threading.active_count()
    sandbox = TimeZestSandbox(records=1)
    with pytest.raises(ConfigurationError, match="with TimeZestSandbox"):
        sandbox.records()
    with sandbox:
        assert len(sandbox.records()) == 1
        assert sandbox.base_url in repr(sandbox)
    assert threading.active_count() == before
    with pytest.raises(ConfigurationError, match="records"), TimeZestSandbox(records=-1):
        pass
    with sandbox, pytest.raises(ConfigurationError, match="running already"), sandbox:
        pass
    assert threading.active_count() == before


def test_a_client_that_was_never_used_is_closed_as_well() -> None:
    with TimeZestSandbox() as sandbox, lend_client(sandbox) as client:
        assert not client.closed
    assert client.closed


def test_a_psa_system_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="connectwise_psa, autotask, halo_psa, service_now"):
        make_request(psa="kaseya")  # type: ignore[arg-type]
    assert make_request(ticket="#7", status="new") | {"status": "new"} == make_request(
        ticket="#7", status="new"
    )
