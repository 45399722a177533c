"""What stands for texts and bytes."""

from __future__ import annotations

import subprocess
import sys
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from actors.digests import digest, id_digest, text_digest

LONE_SURROGATE = "\ud800"


def test_a_digest_never_changes_its_meaning() -> None:
    assert digest(b"abc").hex() == "cf4ab791c62b8d2b2109c90275287816"
    assert text_digest("abc") == "cf4ab791c62b8d2b2109c90275287816"
    assert id_digest("abc") == "cf4ab791-c62b-8d2b-2109-c90275287816"


@given(st.binary())
def test_a_digest_has_sixteen_bytes(data: bytes) -> None:
    assert len(digest(data)) == 16


@given(st.text())
def test_the_digest_of_a_text_is_that_of_its_bytes(text: str) -> None:
    assert text_digest(text) == digest(text.encode()).hex()
    assert UUID(id_digest(text)).hex == text_digest(text)


def test_a_text_that_cannot_be_encoded_has_a_digest_too() -> None:
    assert text_digest(LONE_SURROGATE) != text_digest("")


def test_an_import_loads_no_hash_before_something_needs_an_id() -> None:
    script = "import sys, actors\nprint('hashlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
