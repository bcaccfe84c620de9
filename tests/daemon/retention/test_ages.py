"""Which snapshots are kept at which age."""

from __future__ import annotations

from itertools import pairwise

import pytest
from bough_daemon.api.keep_ages import USUAL, KeepAges, parse_keep, wrong_keep
from bough_daemon.retention.ages import Moment, kept
from hypothesis import given
from hypothesis import strategies as st

DAY = 24 * 3600
NOW = 1_800_000_000.0
ages = st.integers(-100, 40 * DAY) | st.integers(0, 2 * 3600)
timelines = st.lists(st.builds(Moment, ages.map(lambda age: NOW - age), st.booleans()), max_size=60).map(
    lambda moments: sorted(moments, key=lambda one: -one.time)
)


def left(moments: list[Moment], now: float) -> list[Moment]:
    return [one for one, keep in zip(moments, kept(moments, now, KeepAges()), strict=True) if keep]


@given(timelines, st.integers(0, 40 * DAY))
def test_thinning_twice_is_the_same_as_thinning_once_later(moments: list[Moment], later: int) -> None:
    assert left(left(moments, NOW), NOW + later) == left(moments, NOW + later)


@given(timelines)
def test_everything_of_the_last_hour_is_kept_and_every_milestone_of_30_days(moments: list[Moment]) -> None:
    for one, keep in zip(moments, kept(moments, NOW, KeepAges()), strict=True):
        age = NOW - one.time
        assert keep or not (age <= 3600 or (one.is_milestone and age <= 30 * DAY))
        assert not keep or age <= 30 * DAY
        assert not keep or one.is_milestone or age <= 7 * DAY


@given(timelines)
def test_of_each_period_the_newest_is_kept_alone(moments: list[Moment]) -> None:
    plain = [Moment(one.time) for one in moments]
    for seconds, least, most in ((60, 3600, DAY), (600, DAY, 7 * DAY)):
        aged = [one for one in plain if least < NOW - one.time <= most]
        stays = [one for one in left(plain, NOW) if least < NOW - one.time <= most]
        periods = [int(one.time // seconds) for one in stays]
        assert all(one > older for one, older in pairwise(periods))
        # Without one, its period has a newer snapshot, which has another limit.
        assert {int(one.time // seconds) for one in aged} - set(periods) <= {int((NOW - least) // seconds)}


def test_the_default_is_what_the_ages_say() -> None:
    assert parse_keep(USUAL) == KeepAges() and wrong_keep(USUAL) == ""


@pytest.mark.parametrize(
    ("text", "ages"),
    [
        ("everything", None),
        ("all 30m", KeepAges(all=1800)),
        ("all 2h,ten-minutes 14d", KeepAges(all=7200, ten_minutes=14 * DAY)),
        ("milestones 365d", KeepAges(milestones=365 * DAY)),
    ],
)
def test_a_setting_says_which_ages(text: str, ages: KeepAges | None) -> None:
    assert parse_keep(text) == ages and wrong_keep(text) == ""


@pytest.mark.parametrize("text", ["", "all", "1h", "all 1", "all 1w", "hours 1h", "all 1h;", "nothing", "all -1h"])
def test_any_other_text_is_refused_with_an_example(text: str) -> None:
    assert USUAL in wrong_keep(text)
