from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from tests.wires import json_values
from timezest_async.export.checksums import sealed, unsealed

states = st.dictionaries(st.text(max_size=5), json_values, min_size=1, max_size=4)


@given(state=states)
def test_a_sealed_state_comes_back(state: dict[str, object]) -> None:
    assert unsealed(sealed(state)) == (state, True)
    assert unsealed(sealed(state).encode()) == (state, True)


@given(data=st.data(), state=states)
def test_no_flipped_bit_gives_another_state(data: st.DataObject, state: dict[str, object]) -> None:
    damaged = bytearray(sealed({"version": 2, **state}).encode())
    place = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[place // 8] ^= 1 << place % 8
    try:
        found, is_sealed = unsealed(bytes(damaged))
    except (ValueError, RecursionError):
        return
    # Nothing but white space can change unseen; without its seal a document has no version of its own.
    assert (found == {"version": 2, **state}) if is_sealed else "version" not in found


def test_a_document_from_before_is_told_apart() -> None:
    assert unsealed('{"timezest_export": 1, "limit": null}') == ({"timezest_export": 1, "limit": None}, False)
    for text in ("[]", "null", '{"state": {}}', '{"checksum": "x", "state": {}}', '{"checksum": "x"}'):
        with pytest.raises(ValueError):
            unsealed(text)
    document = json.loads(sealed({"a": 1}))
    document["more"] = 1
    with pytest.raises(ValueError, match="checksum"):
        unsealed(json.dumps(document))
