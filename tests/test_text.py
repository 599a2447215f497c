"""Text that can be written, whatever it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvpr_opt.text import (
    MAX_TEXT_BYTES,
    error_text,
    markdown_cell,
    one_line,
    printable,
    writable,
)

# Surrogates included, which Hypothesis leaves out by default.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


class Stubborn(str):
    """A text whose own methods fail."""

    __slots__ = ()

    def encode(self, *_: object, **__: object) -> bytes:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError

    def __getitem__(self, _: object) -> str:
        raise RuntimeError

    def __str__(self) -> str:
        raise RuntimeError


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@given(ANY_TEXT)
def test_writable_text_is_utf8_and_loses_nothing_but_surrogates(text: str) -> None:
    found = writable(text)
    assert json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8")) == found
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert found == text
    assert writable(found) == found


@given(ANY_TEXT, st.integers(50, 80), st.integers(1, 60))
def test_writable_text_is_within_its_limit(text: str, limit: int, times: int) -> None:
    found = writable(text * times, limit)
    assert len(found.encode("utf-8")) <= limit
    if len((text * times).encode("utf-8", "backslashreplace")) > limit:
        assert found.endswith(f"... ({len(text * times)} characters)")


def test_megabytes_are_shortened_at_once() -> None:
    found = writable("x" * 15_000_000)
    assert len(found) <= MAX_TEXT_BYTES
    assert found.endswith("... (15000000 characters)")


def test_no_method_of_a_foreign_text_is_called() -> None:
    found = writable(Stubborn("a\ud800"))
    assert type(found) is str
    assert found == "a\\ud800"


@given(ANY_TEXT)
def test_printable_text_is_one_line_of_visible_characters(text: str) -> None:
    for found in (printable(text), one_line(text), markdown_cell(text)):
        assert found.replace("\u200c", "").replace("\u200d", "").isprintable()
        assert len(found.splitlines()) <= 1
        found.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n b", "a b"),
        ("a\x00b\x1b[2J", "a\\x00b\\x1b[2J"),
        ("\ud800", "\\ud800"),
        ("\u202egnp.exe\u200f", "\\u202egnp.exe\\u200f"),
        ("größe 多", "größe 多"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, expected: str) -> None:
    assert one_line(text) == expected


def test_a_bar_does_not_end_the_cell_of_a_table() -> None:
    assert markdown_cell("a | b\nc") == "a \\| b c"


def test_errors_are_told_whatever_they_are() -> None:
    assert error_text(ValueError("a\ud800\nb")) == "ValueError: a\\ud800\nb"
    assert error_text(Unspeakable()) == "Unspeakable: its message cannot be read (RuntimeError)"
    assert len(error_text(OSError("x" * 10**7))) <= MAX_TEXT_BYTES
