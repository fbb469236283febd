"""A secret is redacted however it is spelt, wherever the text is cut, and little else is."""

from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import given, settings, strategies as st

from tests import support
from tests.secret_search import MARKER
from tests.spellings import SPELLINGS, AnySpelling
from timezest_async.redaction import MASK, Secret, redact, redact_json

keys = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=12, max_size=70)
around = st.text(max_size=20) | st.sampled_from(
    ["", "Bearer ", "?k=", '{"a": "', "\\", "%", "&", "%25", "\\u00"]
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_seen_by_the_search(spelling: str) -> None:
    assert AnySpelling(MARKER).sees(f"<a>{SPELLINGS[spelling](MARKER)}</a>")


@given(key=keys, spelling=st.sampled_from(sorted(SPELLINGS)), before=around, after=around)
@settings(max_examples=support.examples(200))
def test_a_key_in_any_spelling_is_redacted(key: str, spelling: str, before: str, after: str) -> None:
    redacted = redact(f"{before} {SPELLINGS[spelling](key)} {after}", key)
    assert MASK in redacted
    assert not AnySpelling(key).sees(redacted)


@given(key=keys, spelling=st.sampled_from(sorted(SPELLINGS)), before=around, cut=st.integers(0, 400))
@settings(max_examples=support.examples(200))
def test_a_key_that_a_cut_goes_through_is_redacted(key: str, spelling: str, before: str, cut: int) -> None:
    text = f"{before} {SPELLINGS[spelling](key)}"
    redacted = redact(text[:cut], key)
    assert not AnySpelling(key).sees(redacted)


@given(key=keys, text=st.text(max_size=200))
@settings(max_examples=support.examples(200))
def test_what_is_not_the_key_stays(key: str, text: str) -> None:
    if not any(key.lower()[start : start + 3] in text.lower() for start in range(len(key))):
        assert redact(text, key) == text


def test_short_keys_do_not_redact_words() -> None:
    assert redact("The API key: keyring, a2V5", "tle") == "The API key: keyring, a2V5"
    assert redact("no title", "tle") == f"no ti{MASK}"


def test_json_is_redacted_in_names_texts_and_numbers() -> None:
    key = "1234567890"
    value = {key: [key, f"x{key}", 1234567890, 12345678901.5, True, None, 5], "b": {"c": {key: 1}}}
    assert redact_json(value, key) == {
        MASK: [MASK, f"x{MASK}", MASK, MASK, True, None, 5],
        "b": {"c": {MASK: 1}},
    }


@pytest.mark.parametrize(
    "piece",
    ["\\", "%25", "&amp;", "&#0000", "\\\\u000", MARKER[:5], MARKER[:7], MARKER[:-1], "azN5K3RoYXQvbXVz"],
)
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 20_000)[:20_000]
    redact("", MARKER)
    began = time.process_time()
    redact(text, MARKER)
    assert time.process_time() - began < 1


def test_a_secret_is_not_shown() -> None:
    assert repr([Secret("x")]) == "['***']"
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        pickle.dumps(Secret("x"))
