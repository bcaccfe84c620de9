"""What `status` shows about the branches that a working tree is together with. On the store's thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bough_daemon.commands.hop import hop_now
from bough_daemon.git.objects import Objects
from bough_daemon.history.company import ASK, FOLD, OFF
from bough_daemon.history.timeline import read_snapshot
from bough_daemon.recording.recorder import Recorder
from bough_daemon.together.folder import DISPUTED
from bough_daemon.together.folding import Folding
from bough_daemon.together.guest_rules import GuestRules
from bough_daemon.together.standing import Standing

MOST_DETACHED = 100  # files in a report


@dataclass(frozen=True)
class TogetherReport:
    """What the user should know about folding. `paused`: (branch, path, why). `held`: (branch, why it is not folded).

    `detached`: files that were edited here while a branch is followed. `waiting`, `kept_out`: guests whose edits are
    not folded, as the user has yet to decide, or has decided.
    """

    host: str
    guests: tuple[str, ...]
    paused: tuple[tuple[str, str, str], ...]
    held: tuple[tuple[str, str], ...]
    detached: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    kept_out: tuple[str, ...] = ()


def report_of(
    objects: Objects,
    standing: Standing,
    rules: GuestRules,
    session: Recorder,
    folding: Folding | None,
    tips: Mapping[str, str],
) -> TogetherReport:
    """Return what the user should know. `folding`: None before folding begins. `tips`: the shared tips, by branch."""
    guests = {rule: tuple(one for one in standing.guests if rules.rule_of(one) == rule) for rule in (FOLD, ASK, OFF)}
    names = [*([standing.host] if standing.host else []), *guests[FOLD]]
    paused = [one for name in names for one in _paused(objects, session, folding, name, tips.get(name))]
    held = tuple(sorted(folding.held.items())) if folding is not None else ()
    detached = _detached(objects, folding) if folding is not None else ()
    return TogetherReport(standing.host, guests[FOLD], tuple(paused), held, detached, guests[ASK], guests[OFF])


def _paused(
    objects: Objects, session: Recorder, folding: Folding | None, name: str, other_tip: str | None
) -> list[tuple[str, str, str]]:
    """Return the paths that this side or the other one, whose branch is `name`, has paused, with the reasons."""
    tip = session.branch.tip
    other = read_snapshot(objects, other_tip) if other_tip is not None else None
    paths = tip.company.paused.get(name, frozenset()) if tip is not None else frozenset()
    paths |= other.company.paused.get(session.branch.name, frozenset()) if other is not None else frozenset()
    why = folding.folder.reasons.get(name, {}) if folding is not None else {}
    return [(name, path, why.get(path, DISPUTED)) for path in sorted(paths)]


def _detached(objects: Objects, folding: Folding) -> tuple[str, ...]:
    """Return the files that were edited here while a branch is followed."""
    hop, mine = hop_now(folding.folder.live), folding.session.branch.tip
    seen = mine.company.folded.get(hop.name) if hop is not None and mine is not None else None
    if hop is None or mine is None or seen is None or not hop.follows or not objects.exists(seen):
        return ()
    return tuple(objects.some_difference(objects.commit(seen).tree, mine.tree, MOST_DETACHED)[0])
