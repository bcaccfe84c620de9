"""A path is taken when its writer has closed it, under the name that it keeps; what is not is in nobody's hands."""

from __future__ import annotations

import asyncio
import itertools
import math
import mmap
import os
import random
import sys
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.history.timeline import Snapshot
from bough_daemon.recording import recorder
from bough_daemon.recording.recorder import Recorder
from bough_daemon.recording.settling import (
    HEAVY,
    NEW,
    WRITTEN,
    Brake,
    ExactSave,
    Look,
    SettlePatience,
    Unsettled,
    Writers,
)

from tests.daemon.recording.test_recorder import live, recorded, until
from tests.daemon.support import git, make_repository, tree_by_git, write_files

PIECE = b"piece\n"


# The decision, without files.


def look(now: float, **more: object) -> Look:
    """Return a look by events at a moment, at which nobody knows a path and nobody writes."""
    facts: dict[str, object] = {
        "now": now,
        "clock": now,
        "touched": set(),
        "written": set(),
        "known": lambda path: False,
        "committed": lambda path: False,
        "has_writer": lambda path, age: False,
    }
    return Look(**(facts | more))  # type: ignore[arg-type]


def status_at(changed: float) -> os.stat_result:
    """Return the `lstat` of a file that was changed then."""
    return os.stat_result((0o100644, 1, 1, 1, 0, 0, 1, changed, changed, changed))


def held(unsettled: Unsettled, at: Look, path: str = "f", changed: float | None = None) -> bool:
    """Look at one path and return whether it is held."""
    unsettled.begin(at, [path])
    answer = unsettled.holds(path, status_at(at.now if changed is None else changed))
    unsettled.end()
    return answer


@pytest.mark.parametrize(
    ("path", "wait"), [("a/f", 0.3), ("tmpab12", 3.0), ("f.tmp", 3.0), ("f.part", 3.0), ("f.123456", 3.0)]
)
def test_a_new_name_is_held_until_it_has_lasted(path: str, wait: float) -> None:
    unsettled = Unsettled()
    assert held(unsettled, look(10.0, touched={path}), path)
    assert unsettled.due == pytest.approx(10.0 + wait) and unsettled.unshared() == {path: NEW}
    assert held(unsettled, look(10.2, touched={path}), path), "each event begins the wait again"
    assert unsettled.due == pytest.approx(10.2 + wait) and not unsettled.ready(10.2)
    assert unsettled.ready(10.3 + wait) == {path}
    assert not held(unsettled, look(10.3 + wait), path)
    assert unsettled.due == math.inf and unsettled.paths() == set()


def test_a_name_that_never_rests_is_held_for_so_long_only() -> None:
    unsettled, now = Unsettled(), 0.0
    while held(unsettled, look(now, touched={"f"})):
        now += 0.1
    assert now == pytest.approx(SettlePatience().names, abs=0.11)


def test_a_known_path_is_never_held_but_while_it_is_written() -> None:
    unsettled = Unsettled()
    assert not held(unsettled, look(1.0, touched={"f"}, known=lambda path: True))
    assert held(unsettled, look(1.0, written={"f"}, known=lambda path: True))
    assert unsettled.unshared() == {} and unsettled.written() == {"f": WRITTEN}
    assert not held(unsettled, look(1.1, touched={"f"}, known=lambda path: True))


def test_an_exact_look_takes_all_but_names_that_will_soon_have_lasted() -> None:
    unsettled = Unsettled()
    assert held(unsettled, look(0.0, touched={"f"}, until=0.4)) and unsettled.names_due(0.4) == pytest.approx(0.3)
    assert not held(unsettled, look(0.2, touched={"f"}, until=0.4)), "it would last too long"
    assert unsettled.unshared() == {"f": NEW} and unsettled.names_due(0.4) is None
    assert not held(unsettled, look(0.3, written={"f"}, until=0.4))
    assert unsettled.unshared() == {"f": WRITTEN}


def test_what_no_event_told_of_goes_by_when_it_was_changed_and_by_who_has_it_open() -> None:
    unsettled = Unsettled()
    assert not held(unsettled, look(100.0, touched=None), changed=99.0)
    assert held(unsettled, look(100.0, touched=None), changed=99.9)
    assert held(unsettled, look(100.2, touched=None, has_writer=lambda path, age: age < 5), changed=99.0)
    assert unsettled.due == pytest.approx(109.0)
    assert not held(unsettled, look(110.0, touched=None, has_writer=lambda path, age: age < 50), changed=99.0)
    assert not held(unsettled, look(100.0, touched=None), changed=10_000.0) or unsettled.due < 101


def test_writers_are_waited_for_until_they_are_quiet_or_have_had_their_time() -> None:
    writers = Writers(SettlePatience(quiet=10.0, writer=60.0))
    assert writers.due() == math.inf and not writers
    for now in (0.0, 5.0, 9.0):
        writers.wrote("a", now)
    writers.wrote("d/b", 2.0)
    writers.moved("d", "e")
    assert writers.paths() == {"a", "e/b"} and writers.due() == 12.0
    assert writers.overdue(12.0) == {"e/b"} and writers.paths() == {"a"}
    for now in range(10, 60):
        writers.wrote("a", float(now))
    assert writers.overdue(59.9) == set() and writers.overdue(60.0) == {"a"}
    writers.wrote("x", 1.0)
    writers.wrote("y", 1.0)
    writers.moved("x", "y")
    writers.closed("y")
    assert not writers


# With real files. LONG is longer than any test takes: what goes with it went at once.

LONG = SettlePatience(name=60.0, temporary=60.0, names=60.0, quiet=60.0, writer=60.0)
CLOSES = SettlePatience(name=0.02, temporary=0.02, quiet=60.0, writer=60.0)
QUIET = SettlePatience(name=0.02, temporary=0.02, quiet=0.2, writer=60.0)


def content(session: Recorder, path: str, shared: bool = False) -> bytes | None:
    """Return what the branch has for a path at home, or what the team sees."""
    objects, tip = session.store.objects, session.branch.tip
    assert tip is not None
    entry = objects.entry(objects.commit(tip.shared).tree if shared else tip.tree, path)
    return objects.blob(entry.oid) if entry is not None else None


def sent(session: Recorder) -> set[str]:
    """Return every object that the team can have, with every path of it."""
    listed = session.store.git.run("rev-list", "--objects", "refs/shared/alice").decode(errors="surrogateescape")
    return {word for line in listed.splitlines() for word in line.split(" ", 1)}


def pieces_sent(session: Recorder) -> set[int]:
    """Return how many pieces had files that the team can have."""
    ids = {git(Path(session.worktree.root), "hash-object", "--stdin", stdin=PIECE * n): n for n in range(9)}
    return {ids[oid] for oid in ids.keys() & sent(session)}


def write_pieces(file: FileIO, pieces: int = 2) -> None:
    """Write some pieces, each in a write of its own."""
    for _ in range(pieces):
        os.write(file.fileno(), PIECE)


async def other_save(session: Recorder, path: str = "other") -> None:
    """Save another file, and wait until it is recorded: what was written before was seen by then."""
    data = os.urandom(8)
    Path(session.worktree.root, path).write_bytes(data)
    await until(lambda: content(session, path) == data)


def scenes(folder: Path, patience: SettlePatience) -> AbstractAsyncContextManager[tuple[Recorder, list[Snapshot]]]:
    """Make a repository with `known` and `other`, live."""
    if not (folder / ".git").exists():
        make_repository(folder, {"known": b"1", "other": b"1"})
    return live(folder, patience)


def test_a_file_that_is_being_written_is_taken_when_it_is_closed(folder: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with scenes(folder, CLOSES) as (session, told):
            with (folder / "known").open("wb", 0) as known, (folder / "new").open("wb", 0) as new:
                for _ in range(3):
                    write_pieces(known, 1)
                    write_pieces(new, 1)
                    await other_save(session)
                    assert (content(session, "known"), content(session, "new")) == (b"1", None)
                await until(lambda: session.unsettled.written() == {"new": WRITTEN})
            await recorded(told, folder, tmp_path)
            assert told[-1].shared == told[-1].oid and pieces_sent(session) == {3}

    asyncio.run(scene())


def test_an_exact_save_has_a_half_written_new_file_at_home_alone(folder: Path) -> None:
    async def scene() -> None:
        async with scenes(folder, CLOSES) as (session, _):
            with (folder / "new").open("wb", 0) as new:
                write_pieces(new, 2)
                await session.save()
                assert content(session, "new") == PIECE * 2 and session.branch.withheld == {"new": WRITTEN}
                await other_save(session)
                assert pieces_sent(session) == set()
            await until(lambda: content(session, "new", shared=True) == PIECE * 2)
            assert session.branch.withheld == {}

    asyncio.run(scene())


@pytest.mark.parametrize("exact", [False, True])
def test_a_restart_in_the_middle_of_a_write_shares_no_piece(folder: Path, exact: bool) -> None:
    async def first(new: FileIO) -> None:
        async with scenes(folder, CLOSES) as (session, _):
            write_pieces(new)
            await (session.save() if exact else other_save(session))

    async def second(new: FileIO) -> None:
        async with scenes(folder, CLOSES) as (session, _):
            assert content(session, "new") == (PIECE * 2 if exact else None) and pieces_sent(session) == set()
            await other_save(session)
            assert session.unsettled.written() == {"new": WRITTEN}
            write_pieces(new)
            new.close()
            await until(lambda: content(session, "new", shared=True) == PIECE * 4)
            assert pieces_sent(session) == {4}

    make_repository(folder, {"known": b"1", "other": b"1"})
    with (folder / "new").open("wb", 0) as new:
        asyncio.run(first(new))
        asyncio.run(second(new))


@pytest.mark.parametrize("name", ["known", "new"])
def test_what_is_never_closed_is_taken_when_it_has_been_quiet(folder: Path, name: str) -> None:
    async def scene() -> None:
        async with scenes(folder, QUIET) as (session, _):
            with (folder / name).open("ab", 0) as log:
                for pieces in (1, 2):
                    write_pieces(log, 1)
                    wanted = (b"1" if name == "known" else b"") + PIECE * pieces
                    await until(lambda: content(session, name, shared=True) == wanted)

    asyncio.run(scene())


def test_a_known_file_that_is_written_without_end_is_taken_now_and_then(folder: Path) -> None:
    async def scene() -> None:
        async with scenes(folder, SettlePatience(quiet=60.0, writer=0.2)) as (session, _):
            with (folder / "known").open("wb", 0) as log:

                def goes_on() -> bool:
                    write_pieces(log, 1)
                    return (content(session, "known") or b"").startswith(PIECE)

                await until(goes_on)

    asyncio.run(scene())


def test_a_writer_that_is_killed_has_closed_its_file(folder: Path) -> None:
    writes = "import time; f = open('new', 'wb', 0); f.write(b'piece\\n'); time.sleep(600)"

    async def scene() -> None:
        async with scenes(folder, CLOSES) as (session, _):
            writer = await asyncio.create_subprocess_exec(sys.executable, "-c", writes, cwd=folder)
            await until(lambda: session.unsettled.written() == {"new": WRITTEN})
            assert content(session, "new") is None
            writer.kill()
            await writer.wait()
            await until(lambda: content(session, "new", shared=True) == PIECE)

    asyncio.run(scene())


def test_the_last_of_several_writers_counts(folder: Path) -> None:
    async def scene() -> None:
        async with scenes(folder, CLOSES) as (session, _):
            new = (folder / "new").open("wb", 0)
            write_pieces(new)
            second, copy = (folder / "new").open("ab", 0), os.dup(new.fileno())
            new.close()
            await other_save(session)
            os.close(copy)  # the event of a writer that is done, while the other goes on
            await until(lambda: session.unsettled.written() == {"new": WRITTEN})
            await other_save(session)
            assert content(session, "new") is None
            write_pieces(second)
            second.close()
            await until(lambda: content(session, "new") == PIECE * 4)
            assert pieces_sent(session) == {4}

    asyncio.run(scene())


def test_a_file_that_is_mapped_is_taken_when_the_mapping_ends(folder: Path) -> None:
    async def scene() -> None:
        async with scenes(folder, CLOSES) as (session, _):
            with (folder / "new").open("w+b", 0) as new:
                write_pieces(new)
                mapped = mmap.mmap(new.fileno(), 0)
            mapped[:1] = b"P"
            await until(lambda: session.unsettled.written() == {"new": WRITTEN})
            await other_save(session)
            assert content(session, "new") is None
            mapped.close()
            await until(lambda: content(session, "new", shared=True) == b"P" + (PIECE * 2)[1:])

    asyncio.run(scene())


@pytest.mark.parametrize("target", ["known", "new", "d ir/new"])
def test_a_file_that_is_moved_while_it_is_written_is_taken_when_it_is_closed(folder: Path, target: str) -> None:
    async def scene() -> None:
        async with scenes(folder, CLOSES) as (session, _):
            (folder / "d ir").mkdir()
            before = content(session, target)
            with (folder / "aside").open("wb", 0) as aside:
                write_pieces(aside, 1)
                (folder / "aside").rename(folder / target)
                await other_save(session)
                assert content(session, target) == before
                write_pieces(aside, 1)
                await other_save(session)
                assert content(session, target) == before
            await until(lambda: content(session, target, shared=True) == PIECE * 2)
            assert pieces_sent(session) == {2} and "aside" not in sent(session)

    asyncio.run(scene())


def test_lost_events_let_no_piece_out(folder: Path) -> None:
    async def scene() -> None:
        async with scenes(folder, CLOSES) as (session, _):
            with (folder / "new").open("wb", 0) as new:
                write_pieces(new)
                session._watch.on_queue_overflow()
                write_files(folder, {".gitignore": b"*.log\n"})  # asks for a look at everything, too
                await other_save(session)
                assert content(session, "new") is None
            await until(lambda: content(session, "new", shared=True) == PIECE * 2)
            assert pieces_sent(session) == {2}

    asyncio.run(scene())


@pytest.mark.parametrize("name", ["config.tmp", "tmpa1b2c3", ".env.x", "x", "ü b/x"])
def test_what_becomes_a_secret_in_the_end_never_leaves_under_its_first_name(folder: Path, name: str) -> None:
    async def scene() -> None:
        async with scenes(folder, LONG) as (session, _):
            for number in range(4):
                path, data = folder / name, b"KEY=%d\n" % number
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data)
                if number % 2:
                    await other_save(session)
                path.rename(folder / ".env")
                await until(lambda: content(session, ".env") == data)
                assert git(folder, "hash-object", ".env") not in sent(session)
            assert not {name, ".env"} & sent(session)

    asyncio.run(scene())


def test_an_exact_save_of_a_name_that_may_not_last_is_not_shared(folder: Path) -> None:
    async def scene() -> None:
        async with scenes(folder, SettlePatience(name=0.02, temporary=60.0, names=60.0)) as (session, _):
            write_files(folder, {"a.tmp": b"KEY=1\n", "b.txt": b"b\n"})
            saved = await session.save()
            assert content(session, "a.tmp") == b"KEY=1\n" and content(session, "b.txt", shared=True) == b"b\n"
            assert session.branch.withheld == {"a.tmp": NEW} and saved.shared != saved.oid
            (folder / "a.tmp").rename(folder / ".env")
            await session.save()
            assert content(session, ".env") == b"KEY=1\n"
            assert git(folder, "hash-object", ".env") not in sent(session)

    asyncio.run(scene())


def test_an_exact_save_waits_for_names_however_late_its_turn_comes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = Recorder._snapshot, asyncio.Event()

    async def snapshot(self: Recorder, exact: ExactSave | None = None) -> Snapshot:
        if exact is not None:
            asked.set()
        return await real(self, exact)

    monkeypatch.setattr(Recorder, "_snapshot", snapshot)
    monkeypatch.setattr(recorder, "NAMES_MARGIN", 0.0)

    async def scene() -> None:
        async with scenes(folder, SettlePatience(name=0.1, names=60.0)) as (session, _):
            async with session._turn:
                write_files(folder, {"b.txt": b"b\n"})
                saving = asyncio.create_task(session.save())
                await asked.wait()
            saved = await saving
            assert content(session, "b.txt", shared=True) == b"b\n" and saved.shared == saved.oid

    asyncio.run(scene())


def test_what_is_known_goes_at_once(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"known": b"1", "other": b"1", "d/e/f": b"1", "gone": b"1"})
    git(folder, "switch", "-qc", "topic")
    write_files(folder, {"topics/own": b"t"})
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "topic")
    git(folder, "switch", "-q", "main")

    async def scene() -> None:
        async with live(folder, LONG) as (session, told):
            (folder / "aside").write_bytes(b"saved by way of a temporary file")
            (folder / "aside").rename(folder / "known")
            (folder / "gone").unlink()
            for old, new in (("d", "d2"), ("d2/e", "d2/g"), ("d2/g/f", "d2/h")):
                (folder / old).rename(folder / new)
                await recorded(told, folder, tmp_path)
            git(folder, "stash", "-q")
            git(folder, "switch", "-q", "topic")
            await recorded(told, folder, tmp_path)
            assert content(session, "topics/own") == b"t"

    asyncio.run(scene())


def test_what_is_committed_while_it_waits_goes_with_the_commit(folder: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with scenes(folder, LONG) as (session, told):
            with (folder / "known").open("ab", 0) as log:
                write_pieces(log, 1)
                (folder / "new").write_bytes(b"new")
                await other_save(session)
                assert (content(session, "known"), content(session, "new")) == (b"1", None)
                git(folder, "add", "-A")
                git(folder, "commit", "-qm", "all")
                head = git(folder, "rev-parse", "HEAD")
                await until(lambda: told[-1].base == head)
                for snapshot in told:
                    if snapshot.base == head:
                        assert snapshot.tree == tree_by_git(folder, tmp_path) == git(folder, "rev-parse", "HEAD^{tree}")

    asyncio.run(scene())


def test_what_is_committed_is_recorded_though_the_next_commit_is_made_during_the_look(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(folder, {"known": b"1"})

    def commit(name: str) -> None:
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", name)

    async def scene() -> None:
        async with live(folder, LONG) as (session, told):
            (folder / "one").write_bytes(b"1")
            await until(lambda: "one" in session.unsettled.paths())
            look, before = session._settled_tree.take, session.head.commit

            def take(head: str, *given: Any) -> str:
                tree = look(head, *given)
                if head != before and not (folder / "two").exists():
                    (folder / "two").write_bytes(b"2")
                    commit("two")
                return tree

            monkeypatch.setattr(session._settled_tree, "take", take)
            commit("one")
            await until(lambda: (folder / "two").exists() and told[-1].base == git(folder, "rev-parse", "HEAD"))
            await recorded(told, folder, tmp_path)
            assert (content(session, "one"), content(session, "two")) == (b"1", b"2")

    asyncio.run(scene())


def test_the_race_of_a_rename_with_the_snapshot_never_shares_a_secret(folder: Path) -> None:
    """The renames come at any moment around the one in which the name has lasted."""
    chance, ids = random.Random(8), []

    async def scene() -> None:
        async with scenes(folder, SettlePatience(name=0.03, temporary=0.03)) as (session, _):
            for number in range(40):
                (folder / f"f{number}").write_bytes(b"SECRET=%d\n" % number)
                began = time.monotonic()
                await asyncio.sleep(chance.uniform(0.0, 0.02))
                (folder / f"f{number}").rename(folder / ".env")
                if time.monotonic() - began < 0.03:
                    ids.append(git(folder, "hash-object", ".env"))
                if number % 8 == 0:
                    await session.save()
            await session.save()
            assert not set(ids) & sent(session) and content(session, ".env") == b"SECRET=39\n"

    asyncio.run(scene())
    assert ids


UNCOVERING = SettlePatience(name=0.02, temporary=0.02, rules=60.0, aged=0.0)


def test_what_was_ignored_a_moment_ago_stays_home(folder: Path) -> None:
    """An editor or a rebase takes the rules away and puts them back."""

    async def scene() -> None:
        (folder / ".gitignore").write_bytes(b"private.*\n")
        (folder / "private.cfg").write_bytes(b"PRIVATE\n")
        async with scenes(folder, UNCOVERING) as (session, _):
            await session.save()
            (folder / ".gitignore").rename(folder / "aside")
            await session.save()
            assert content(session, "private.cfg") == b"PRIVATE\n"
            assert "ignored until a moment ago" in session.branch.withheld["private.cfg"]
            (folder / "aside").rename(folder / ".gitignore")
            await session.save()
            assert content(session, "private.cfg") is None
            await other_save(session)
            assert "private.cfg" not in sent(session)

    asyncio.run(scene())


def test_what_is_no_longer_ignored_is_shared_once_the_rules_have_lasted(folder: Path) -> None:
    async def scene() -> None:
        (folder / ".gitignore").write_bytes(b"private.*\n")
        (folder / "private.cfg").write_bytes(b"PRIVATE\n")
        async with scenes(folder, replace(UNCOVERING, rules=0.3)) as (session, _):
            await session.save()
            (folder / ".gitignore").write_bytes(b"\n")
            await until(lambda: content(session, "private.cfg", shared=True) == b"PRIVATE\n")

    asyncio.run(scene())


def taken_at(step: float, seconds: float, size: int = 0, *, together: bool = False) -> list[float]:
    """Return when a known path is taken that changes every `step` seconds, up to a moment, and is quiet then."""
    brake, found, now, changed = Brake(5.0), [-1.0], 0.0, 0.0
    brake.together = together
    while now < seconds or found[-1] < changed:
        if now < seconds:
            brake.changed("f", size, now)
            changed = now
        if brake.due("f") <= now:
            brake.taken("f", now, (size, int(1000 * changed)))
            found.append(now)
        now = round(now + step, 6)
    return found[1:]


def test_who_saves_now_and_then_is_never_slowed_down() -> None:
    assert len(taken_at(1.0, 500.0)) == 500
    assert len(taken_at(0.1, 5.0)) == 50
    assert len(taken_at(10.0, 500.0, size=3_000_000)) == 50


def test_a_path_that_changes_without_pause_is_taken_ever_more_seldom_and_in_the_end_as_it_is() -> None:
    taken = taken_at(0.1, 60.0)
    gaps = [after - before for before, after in itertools.pairwise(taken)]
    assert len(taken) < 75 and max(gaps) <= 5.1
    assert gaps[-3] == pytest.approx(5.0, abs=0.11)
    assert taken[-1] >= 59.9
    assert len(taken_at(0.1, 60.0, size=5_000_000)) < 20


def test_many_paths_that_change_at_once_are_looked_through_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = list[float](), Brake._counts

    def counted(self: Brake, one: Any, now: float) -> bool:
        asked.append(now)
        return real(self, one, now)

    monkeypatch.setattr(Brake, "_counts", counted)
    brake = Brake(5.0)
    for number in range(5 * Brake.MOST):
        brake.changed(f"f{number}", 10, 1.0)
    assert len(asked) < 10 * Brake.MOST
    for number in range(2 * Brake.MOST * 5):
        brake.changed(f"later{number}", 10, 1000.0)
    assert not any(path.startswith("f") for path in brake._paths)


def test_what_several_type_into_is_never_left_alone_for_long() -> None:
    taken = taken_at(0.01, 60.0, together=True)
    assert max(after - before for before, after in itertools.pairwise(taken)) <= Brake.PAUSE_TOGETHER + 0.02
    large = taken_at(0.01, 60.0, size=5_000_000, together=True)
    assert max(after - before for before, after in itertools.pairwise(large)) >= 4.9


def kept_of(step: float, seconds: float, size: int) -> list[float]:
    """Return when a version is kept of a path that is rewritten every `step` seconds and rests in the end."""
    brake, found, now, changed = Brake(5.0), list[float](), 0.0, -1.0
    while now < seconds or (found and found[-1] < changed):
        if now < seconds:
            brake.changed("f", size, now)
            changed = now
        version = (size, int(1000 * changed))
        if max(brake.due("f"), brake.room_due("f", version)) <= now:
            brake.taken("f", now, version)
            found.append(now)
        now += step
    return found


def test_a_path_that_is_rewritten_without_end_takes_a_bounded_part_of_the_disk() -> None:
    day = 86_400.0
    for size, step in ((50_000_000, 1.0), (50_000_000, 61.0), (300_000_000, 10.0), (1_000_000, 5.0)):
        kept = kept_of(step, day, size)
        assert len(kept) * size <= Brake.ROOM + 24 * Brake.ROOM_AN_HOUR + 64 * size, (size, step)
        assert kept[-1] >= day - step, "the last state is kept"
    assert kept_of(60.0, day / 2, 500_000) == [60.0 * number for number in range(720)], (
        "a person who saves is not slowed"
    )


def test_of_a_path_that_has_to_rest_status_says_so_and_the_last_state_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Brake, "ROOM", 3000.0)
    monkeypatch.setattr(Brake, "ROOM_AN_HOUR", 1.0)
    make_repository(folder, {"a": b"1", "out.bin": b"0" * 1000})
    numbers = itertools.count()

    def rewrite() -> bytes:
        data = b"%04d" % next(numbers) * 250
        (folder / "out.bin").write_bytes(data)
        return data

    async def scene() -> None:
        async with live(folder) as (session, told):

            def content_of(snapshot: Snapshot, path: str) -> bytes:
                return session.store.objects.blob(log_in(session, snapshot.tree, path))

            def rests() -> bool:
                rewrite()  # a build that goes on
                return session.withheld().get("out.bin") == HEAVY

            def versions() -> set[str]:
                return {log_in(session, one.tree, "out.bin") for one in told}

            await until(rests)
            kept = versions()
            assert len(kept) < 10
            for number in range(10):
                rewrite()
                (folder / "a").write_bytes(b"a%d" % number)
                await until(lambda: content_of(told[-1], "a") == b"a%d" % number)  # nothing else waits
            assert versions() == kept
            session._pending.lost = True
            await session._snapshot()  # a scan of everything keeps no version either
            assert versions() == kept

            monkeypatch.setattr(Brake, "REST", 0.2)
            last = rewrite()
            await until(lambda: session.store.objects.blob(log_in(session, told[-1].tree, "out.bin")) == last)
            assert "out.bin" not in session.withheld()

            (folder / "out.bin").write_bytes(b"more" * 250)
            tip = await session.save()
            assert session.store.objects.blob(log_in(session, tip.tree, "out.bin")) == b"more" * 250

    asyncio.run(scene())


def test_a_file_that_is_opened_for_each_line_is_recorded_now_and_then(folder: Path) -> None:
    make_repository(folder, {"a": b"1", "app.log": b""})

    async def scene() -> None:
        async with live(folder, replace(SettlePatience(), often=0.5)) as (session, told):
            for number in range(250):
                with (folder / "app.log").open("ab") as log:
                    log.write(b"line %d\n" % number)
                await asyncio.sleep(0.004)  # the next line comes when the last one may have been recorded
            tip = await session.save()
            assert session.store.objects.blob(log_in(session, tip.tree)).count(b"\n") == 250
            with (folder / "app.log").open("ab") as log:
                log.write(b"last\n")
            last = (folder / "app.log").read_bytes()
            await until(lambda: session.store.objects.blob(log_in(session, told[-1].tree)) == last)
            assert len(told) < 110
            (folder / "a").write_bytes(b"2")
            await until(lambda: told[-1].title == "a")

    asyncio.run(scene())


def log_in(session: Recorder, tree: str, path: str = "app.log") -> str:
    entry = session.store.objects.entry(tree, path)
    assert entry is not None
    return entry.oid
