"""How much of the disk a store may take, and what teammates may send."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from bough_daemon.api.notices import MemberOverLimit, StoreNearLimit
from bough_daemon.store import quota as quota_module
from bough_daemon.store.gathering import gather
from bough_daemon.store.quota import GB, Quota

from tests.daemon.machines import machines, run
from tests.daemon.support import git
from tests.daemon.team_support import eventually


def quota(tmp_path: Path, used: int = 0, limit: int = 0, **taken: int) -> Quota:
    made = Quota(str(tmp_path))
    made.note((used, limit))
    made.taken = taken
    return made


@pytest.mark.parametrize(
    ("taken", "refused"),
    [
        ({"bob": 25, "carol": 1}, set()),
        ({"bob": 26, "carol": 1}, {"bob"}),
        ({"bob": 20, "carol": 20, "dave": 20, "erin": 1}, {"bob", "carol", "dave"}),
        ({"bob": 24, "carol": 24}, set()),
    ],
)
def test_of_each_teammate_and_of_all_only_so_much_is_taken(
    tmp_path: Path, taken: dict[str, int], refused: set[str]
) -> None:
    made = quota(tmp_path, limit=100, **taken)
    assert {member for member in [*taken, "new"] if made.refusal(member)} == refused
    assert made.notices() == [MemberOverLimit(name, taken[name], 100) for name in sorted(refused)]


@pytest.mark.parametrize(("used", "told"), [(79, False), (81, True), (101, True)])
def test_that_a_store_nears_its_limit_is_told(tmp_path: Path, used: int, told: bool) -> None:
    expected = [StoreNearLimit(used * GB, 100 * GB)] if told else []
    assert quota(tmp_path, used * GB, 100 * GB).notices() == expected


def test_the_limit_follows_the_setting_or_what_is_free(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "x").write_bytes(bytes(1000))
    assert Quota(str(tmp_path), lambda: 7).measured() == (1000, 7 * GB)
    used, limit = Quota(str(tmp_path)).measured()
    disk = os.statvfs(tmp_path)
    assert used == 1000 and limit >= quota_module.LEAST_BYTES
    assert limit <= max(disk.f_blocks * disk.f_frsize // 4, quota_module.LEAST_BYTES)


def test_who_sends_too_much_is_refused_with_the_reason_and_nobody_else_is(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, carol = await all_of.team("alice", "bob", "carol")
            alice.sync._quota.note((0, 400_000))
            for number in range(6):
                tip = await bob.save({"big": os.urandom(40_000), "n": b"%d" % number})
                await eventually(lambda: alice.tip_of("bob") == tip or "bob" in told(alice))
            await eventually(lambda: "no space is left" in bob.sync.refusals_of("bob").get("alice", ""))
            before = alice.tip_of("bob")
            after = await bob.save({"n": b"more"})
            await eventually(lambda: "bob" in told(alice) and carol.tip_of("bob") == after)
            assert alice.tip_of("bob") == before

            taken = await carol.save({"a.txt": b"of carol\n"})
            await eventually(lambda: alice.tip_of("carol") == taken)
            sent = dict(alice.sync._quota.taken)
            assert sent["bob"] > 100_000
            await eventually(lambda: alice.sync._team.load(alice.sync._team.folder).taken == sent)

            alice.sync._quota.note((0, 4_000_000))
            alice.sync.ask_again()
            await eventually(lambda: alice.tip_of("bob") == after)

    def told(side: object) -> set[str]:
        mates = side.sync.teammates()  # type: ignore[attr-defined]
        return {mate.name for mate in mates if "no space is left" in mate.not_taken}

    run(test())


def test_all_packs_become_one_that_has_all_they_had(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            (alice,) = await all_of.team("alice")
            for number in range(8):
                await alice.save({"a.txt": b"line\n" * 3000 + b"%d\n" % number})
                await alice.owner.run(alice.store.pack, [], alice.store.objects.loose())
            before = set(alice.store.objects.own_names())
            size = alice.sync._quota.measured()[0]
            assert await gather(alice.store, alice.owner, all_of_them=True)
            assert set(alice.store.objects.own_names()) == before
            packs = Path(alice.store.objects.folder) / "pack"
            assert len(list(packs.glob("*.pack"))) == 1 and alice.sync._quota.measured()[0] < size
            await asyncio.to_thread(git, Path(alice.store.path), "fsck", "--strict")
            assert not await gather(alice.store, alice.owner, all_of_them=True)

    run(test())
