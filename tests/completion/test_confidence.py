"""How sure an answer is."""

from __future__ import annotations

from dataclasses import replace

from bough_completion.learned.confidence import Evidence, evidence
from bough_completion.learned.search import Line
from hypothesis import given
from hypothesis import strategies as st

proofs = st.builds(Evidence, st.floats(0, 1), st.integers(0, 32), st.integers(1, 40), st.integers(0, 40), st.booleans())


@given(proofs)
def test_a_confidence_is_a_chance_and_grows_with_what_tells_for_the_answer(proof: Evidence) -> None:
    assert 0 < proof.confidence < 1
    for better in (
        replace(proof, agreement=proof.agreement + 1),
        replace(proof, written=max(1, proof.written - 1)),
        replace(proof, chance=(proof.chance + 1) / 2),
        replace(proof, repeats=True),
    ):
        assert better.confidence >= proof.confidence
        assert better.score >= proof.score


def test_a_line_that_stands_above_already_is_evidence_but_its_part_is_not() -> None:
    line = Line("", (), chance=0.5, agreement=9)
    assert evidence(line, "(a, b)", "  call(a, b)\n    call") == Evidence(0.5, 9, 5, 1, repeats=True)
    assert not evidence(line, "(a", "call(a, b)\ncall").repeats
