"""What a snapshot says of whom its branch is together with; and what anybody else may have written there."""

from __future__ import annotations

import pytest
from bough_daemon.git.objects import Commit
from bough_daemon.history.company import (
    ALL,
    ASK,
    EVERYONE,
    FOLD,
    MOST_PAUSED,
    NO_COMPANY,
    OFF,
    Company,
    company_of,
    is_among,
)
from hypothesis import given
from hypothesis import strategies as st

OIDS = st.text("0123456789abcdef", min_size=40, max_size=40)
NAMES = st.sampled_from(["alice", "bob", "carol+desktop", "d.e_f-1"])
PATHS = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=12).map(
    lambda text: text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
)


def said(message: str) -> Company:
    return company_of(Commit("0" * 40, "0" * 40, (), "A", "a@example.org", 0, message))


def message_of(company: Company) -> str:
    trailers = {"Bough-Base": "0" * 40, **company.trailers()}
    return "title\n\n" + "".join(f"{name}: {value}\n" for name, value in trailers.items() if value)


@given(
    host=NAMES,
    visit=OIDS,
    folded=st.dictionaries(NAMES, OIDS, min_size=1),
    paused=st.frozensets(PATHS, max_size=5),
    guests=st.dictionaries(NAMES | st.just(EVERYONE), st.sampled_from([FOLD, ASK, OFF]), max_size=3),
)
def test_what_is_said_is_read(
    host: str, visit: str, folded: dict[str, str], paused: frozenset[str], guests: dict[str, str]
) -> None:
    name, tip = next(iter(folded.items()))
    company = Company(host, visit, folded, {}, guests).with_folded(name, tip, paused)
    assert said(message_of(company)) == company


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Bough-Guest-Of", "Bough-Folded", "Bough-Paused", "Bough-Guests"]),
            st.text(st.characters(exclude_characters="\n\r"), max_size=60),
        ),
        max_size=6,
    )
)
def test_whatever_a_teammate_writes_is_read_as_something(trailers: list[tuple[str, str]]) -> None:
    company = said("title\n\n" + "".join(f"{name}: {value}\n" for name, value in trailers))
    assert said(message_of(company)) == company


@pytest.mark.parametrize(
    "trailer",
    [
        "Bough-Guest-Of: alice",
        "Bough-Guest-Of: ../alice " + "0" * 40,
        "Bough-Guest-Of: alice " + "0" * 39,
        "Bough-Folded: alice=main ../x=" + "0" * 40,
        "Bough-Paused: a.txt /:x",
        "Bough-Guests: perhaps",
    ],
)
def test_what_is_not_as_it_should_be_counts_as_absent(trailer: str) -> None:
    assert said(f"title\n\n{trailer}\n") == NO_COMPANY


def test_too_many_paused_paths_are_all_of_them() -> None:
    company = Company().with_folded("bob", "1" * 40, [f"{number}" for number in range(MOST_PAUSED + 1)])
    assert company.paused == {"bob": frozenset([ALL])}
    assert is_among("any", company.paused["bob"])
    assert said(message_of(company)) == company
    assert company.with_paused(["x"]).paused == company.paused


def test_one_who_leaves_is_a_guest_no_more_and_keeps_guests() -> None:
    at_home = Company().with_folded("carol", "2" * 40, ["c"])
    there = at_home.entered("alice", "1" * 40, "3" * 40)
    assert (there.guest_of, there.folded["alice"], there.paused) == ("alice", "1" * 40, at_home.paused)
    assert there.left() == at_home
    newer = there.with_folded("alice", "4" * 40, ["a"]).with_folded("carol", "5" * 40, [])
    assert newer.left().folded == {"carol": "5" * 40}
    assert newer.left().as_at(there) == there.with_folded("carol", "5" * 40, [])
    assert there.entered("alice", "6" * 40, "7" * 40).visit == "3" * 40
