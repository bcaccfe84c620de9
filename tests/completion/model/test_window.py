"""A prompt of any length fits, keeps what is nearest to the cursor, and begins the same while somebody types."""

from __future__ import annotations

from bough_completion.prompt.template import Prompt
from bough_completion.prompt.window import SNAP, fit
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(alphabet="ab \n", max_size=3000)


def size(prompt: Prompt) -> int:
    """Count three characters as a token, each marker as one."""
    words = (prompt.before, prompt.after, prompt.begun, *(path + text for path, text in prompt.files))
    return 3 + sum(-(-len(word) // 3) for word in words)


@given(texts, texts, st.text(alphabet="ab ", max_size=60), st.lists(st.tuples(texts, texts), max_size=3))
def test_every_prompt_fits_and_is_a_part_of_what_was_asked(
    before: str, after: str, begun: str, files: list[tuple[str, str]]
) -> None:
    asked = Prompt(before, after, begun, files=tuple(files))
    found = fit(asked, 300, size)
    assert size(found) <= 300
    assert before.endswith(found.before)
    assert after.startswith(found.after)
    assert found.begun == begun
    assert found.files == asked.files[: len(found.files)]


def test_what_fits_is_left_alone() -> None:
    asked = Prompt("before\n", "\nafter", "begun", "a.py", (("b.py", "text"),))
    assert fit(asked, 100, size) == asked


def test_the_start_stays_while_a_page_is_typed() -> None:
    before = "".join(f"line {number}\n" for number in range(5000))
    starts = {fit(Prompt(before + "x" * typed), 4000, size).before[:20] for typed in range(0, SNAP, 7)}
    assert len(starts) <= 2


def test_a_cut_begins_at_a_line_and_keeps_the_cursor() -> None:
    lines = [f"line {number}" for number in range(5000)]
    found = fit(Prompt("\n".join(lines), "\n".join(lines)), 1000, size)
    assert found.before.split("\n")[0] in lines
    assert found.before.endswith("line 4999")
    assert found.after.startswith("line 0\n")
    assert found.after.endswith("\n")


def test_tokens_that_are_short_make_the_cut_smaller() -> None:
    found = fit(Prompt("語" * 5000), 200, lambda prompt: 3 * len(prompt.before))
    assert 0 < 3 * len(found.before) <= 200


def test_a_line_that_alone_is_too_long_leaves_only_itself() -> None:
    assert fit(Prompt("a" * 100, "b\n" * 100, "c" * 1000), 20, size) == Prompt("", "", "c" * 1000)
