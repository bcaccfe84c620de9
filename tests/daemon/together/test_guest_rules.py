"""Whose edits are folded: the setting, and what the user decided about a guest."""

from __future__ import annotations

from pathlib import Path

import pytest
from bough_daemon.history.company import ASK, EVERYONE, FOLD, OFF
from bough_daemon.together.guest_rules import FILE, GuestRules

KEYS = {"bob": "b0", "carol": "ca", "alice+desk": "a1"}


def rules(folder: Path, setting: str = ASK, **keys: str) -> GuestRules:
    """Return alice's rules, as after a start of the daemon. `keys`: of members who have another one now."""
    now = KEYS | keys
    return GuestRules(
        str(folder), lambda branch: now.get(branch, ""), lambda branch: branch.startswith("alice"), setting
    )


@pytest.mark.parametrize("setting", [FOLD, ASK])
@pytest.mark.parametrize("rule", [FOLD, OFF])
def test_a_decision_lasts_until_it_is_removed(tmp_path: Path, setting: str, rule: str) -> None:
    rules(tmp_path, setting).decide("bob", rule)
    again = rules(tmp_path, setting)
    assert (again.rule_of("bob"), again.rule_of("carol"), again.decided()) == (rule, setting, ["bob"])
    again.decide("bob", ASK)
    assert rules(tmp_path, setting).rule_of("bob") == setting and not again.decided()


def test_off_holds_for_everyone_and_ones_own_working_trees_need_no_decision(tmp_path: Path) -> None:
    made = rules(tmp_path)
    made.decide("bob", FOLD)
    assert made.rule_of("alice+desk") == FOLD
    made.setting = OFF
    assert {made.rule_of(guest) for guest in KEYS} == {OFF}


def test_another_member_of_the_same_name_is_asked_about_again(tmp_path: Path) -> None:
    rules(tmp_path).decide("bob", FOLD)
    assert rules(tmp_path, bob="e5").rule_of("bob") == ASK
    assert rules(tmp_path, bob="").rule_of("bob") == ASK
    rules(tmp_path).decide("eve", FOLD)  # nobody in the team has that name
    assert rules(tmp_path).rule_of("eve") == ASK


def test_a_guest_who_was_kept_out_is_not_let_in_by_a_damaged_file(tmp_path: Path) -> None:
    rules(tmp_path, FOLD).decide("bob", OFF)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-5])
    made = rules(tmp_path, FOLD)
    assert made.rule_of("bob") == ASK == made.rule_of("carol")
    made.decide("bob", OFF)
    assert (made.rule_of("bob"), made.rule_of("carol")) == (OFF, FOLD)


def test_the_team_is_told_what_differs_from_the_rule_for_everyone(tmp_path: Path) -> None:
    made = rules(tmp_path, FOLD)
    assert made.told(["bob", "carol"]) == {}
    made.decide("bob", OFF)
    assert made.told(["bob", "carol"]) == {"bob": OFF}
    made.setting = ASK
    assert made.told(["bob", "carol"]) == {EVERYONE: ASK, "bob": OFF}
    made.setting = OFF
    assert made.told(["bob", "carol"]) == {EVERYONE: OFF}
