"""What a member may name, and what comes back: only what they sent, and what the team shares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from bough_daemon.sync.messages import Announce, Held, Refused, Want
from bough_daemon.team.branch_state import BranchKind

from tests.attack.mallory import COMMIT, REF_DELTA, TREE, Conversation, Mallory, invited, unpacked
from tests.cli.conftest import Member, Typed
from tests.daemon.support import git, write_files

SECRET = b"PASSWORD=hunter2 and more\n"


def secrets_of(alice: Member) -> dict[str, str]:
    """Give alice work that is not shared, and return a commit of each kind by what it is."""
    head = alice.git("rev-parse", "HEAD")
    write_files(alice.tree, {"plan.txt": b"we sell\n"})
    alice.git("checkout", "-qb", "secret-plan")
    alice.git("add", "plan.txt")
    alice.git("commit", "-qm", "the plan")
    plan = alice.git("rev-parse", "HEAD")
    alice.git("tag", "-a", "-m", "x", "kept", plan)
    alice.git("update-ref", "refs/remotes/fork/wip", alice.git("commit-tree", f"{plan}^{{tree}}", "-m", "of the fork"))
    alice.git("checkout", "-q", "main")
    assert alice.git("rev-parse", "HEAD") == head
    write_files(alice.tree, {"a.txt": b"half an idea\n"})
    alice.git("stash")
    names = {
        "an unpushed branch": "secret-plan",
        "a branch of a fork": "refs/remotes/fork/wip",
        "a tag": "kept^{commit}",
        "a stash": "stash",
    }
    return {kind: alice.git("rev-parse", name) for kind, name in names.items()}


async def refused(talk: Conversation, state_tip: str, base: str, pack: bytes) -> None:
    """Check that a state is refused, and that asking for it brings not a byte."""
    state = talk.mallory.state(state_tip, base)
    answer = await talk.offer(state, pack)
    assert isinstance(answer, Refused) and "missing" in answer.reason, answer
    assert isinstance(await talk.ask(state.key, 1), Refused)


def test_what_is_not_shared_cannot_be_named_and_not_a_byte_of_it_leaves(
    members: Callable[[str], Member], tmp_path: Path
) -> None:
    alice = members("alice")
    secrets = secrets_of(alice)
    alice.bough("up")
    write_files(alice.tree, {".env": SECRET, "a.txt": b"mine\n"})
    saved = alice.told("save")
    assert saved["tip"] != saved["shared_tip"]
    secrets["a private snapshot"] = saved["tip"]

    async def attack() -> None:
        mallory = await invited(alice, tmp_path)
        git(mallory.root, "tag", "-d", "kept")
        head = git(mallory.root, "rev-parse", "main")
        tree = git(mallory.root, "rev-parse", "main^{tree}")
        nothing = await mallory.pack([])
        async with mallory.calls("alice") as talk:
            for oid in secrets.values():
                await refused(talk, oid, oid, nothing)
                await refused(talk, head, oid, nothing)
                child = git(mallory.root, "hash-object", "-t", "commit", "-w", "--stdin", stdin=commit_of(tree, oid))
                await refused(talk, child, child, raw_commit(mallory, child))
            assert isinstance(await talk.offer(mallory.state(head), nothing), Held)
            asked = [word for word in talk.heard if isinstance(word, Want)]
            assert asked and all(set(secrets.values()).isdisjoint(word.haves) for word in asked)

    asyncio.run(attack())
    assert alice.told("status")["teammates"][0]["not_taken"] == ""


def commit_of(tree: str, *parents: str) -> bytes:
    """Return the content of a commit."""
    lines = [f"tree {tree}", *(f"parent {oid}" for oid in parents)]
    return "\n".join([*lines, "author m <m@m> 1 +0000", "committer m <m@m> 1 +0000", "", "x\n"]).encode()


def raw_commit(mallory: Mallory, *oids: str) -> bytes:
    """Return a pack of these commits, with nothing that they reach."""
    return mallory.raw_pack(*((COMMIT, mallory.content(oid, "commit"), "") for oid in oids))


def test_a_withheld_file_is_neither_named_in_a_tree_nor_read_through_a_delta(
    members: Callable[[str], Member], tmp_path: Path
) -> None:
    alice = members("alice")
    alice.bough("up")
    write_files(alice.tree, {".env": SECRET, "a.txt": b"mine\n"})
    shared, blob = alice.told("save")["shared_tip"], alice.git("hash-object", ".env")

    def of_tree(mallory: Mallory, entry: str) -> tuple[str, str]:
        tree = git(mallory.root, "mktree", "--missing", stdin=f"100644 blob {entry}\tx\n".encode())
        raw = commit_of(tree, shared)
        return git(mallory.root, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw), tree

    async def attack() -> None:
        mallory = await invited(alice, tmp_path)
        async with mallory.calls("alice") as talk:
            told = await talk.hears(Announce, which=lambda word: word.state.tip == shared)
            pack = await talk.ask(told.state.key, told.state.sequence)
            assert isinstance(pack, bytes)
            unpacked(mallory.root, pack)
            # Someone has told Mallory the id of the file. To be believed is to be given the file.
            tip, tree = of_tree(mallory, blob)
            objects = [(COMMIT, mallory.content(tip, "commit"), ""), (TREE, mallory.content(tree, "tree"), "")]
            await refused(talk, tip, tip, mallory.raw_pack(*objects))
            # Or else to learn it byte by byte: the right guess at what a delta makes would be taken.
            tip, tree = of_tree(mallory, git(mallory.root, "hash-object", "-w", "--stdin", stdin=SECRET[:1]))
            delta = bytes([len(SECRET), 1, 0b10010000, 1])  # copy one byte from the beginning
            objects = [(COMMIT, mallory.content(tip, "commit"), ""), (TREE, mallory.content(tree, "tree"), "")]
            await refused(talk, tip, tip, mallory.raw_pack(*objects, (REF_DELTA, delta, blob)))
            # A delta against what is shared is what every save is.
            base = git(mallory.root, "rev-parse", f"{shared}:a.txt")
            tip, tree = of_tree(mallory, git(mallory.root, "hash-object", "-w", "--stdin", stdin=b"m"))
            delta = bytes([len(b"mine\n"), 1, 0b10010000, 1])
            objects = [(COMMIT, mallory.content(tip, "commit"), ""), (TREE, mallory.content(tree, "tree"), "")]
            made = mallory.raw_pack(*objects, (REF_DELTA, delta, base))
            assert isinstance(await talk.offer(mallory.state(tip), made), Held)

    asyncio.run(attack())


def test_what_is_shared_names_no_private_snapshot(members: Callable[[str], Member], tmp_path: Path) -> None:
    alice = members("alice")
    alice.bough("up")
    write_files(alice.tree, {".env": SECRET, "a.txt": b"mine\n"})
    private = {alice.told("save")["tip"]}

    async def branch() -> None:
        mallory = await invited(alice, tmp_path)
        head = git(mallory.root, "rev-parse", "HEAD")
        tip = mallory.commit({"m.txt": b"1\n"}, head, message=f"x\n\nBough-Base: {head}\n")
        async with mallory.calls("alice") as talk:
            assert isinstance(await talk.offer(mallory.state(tip, head), await mallory.pack([tip], [head])), Held)

    def no_private_id_in_what_is_shared() -> None:
        status = alice.told("status")
        private.add(status["tip"])
        private.discard(status["shared_tip"])
        messages = git(alice.tree / ".git/bough/store.git", "log", "--format=%B%P", status["shared_tip"])
        assert not [oid for oid in private if oid in messages]

    asyncio.run(branch())
    for command in (["hop", "mallory"], ["back"], ["undo"], ["restore", "--from", "1s", "--all"]):
        alice.types(*command)
        no_private_id_in_what_is_shared()
    (alice.tree / ".env").unlink(missing_ok=True)
    alice.bough("save")
    no_private_id_in_what_is_shared()


def test_what_a_member_says_they_landed_comes_to_its_own_branch_alone_and_is_named(
    members: Callable[[str], Member], tmp_path: Path
) -> None:
    alice = members("alice")
    alice.bough("up")

    async def lands(branch: bytes) -> None:
        head = git(alice.tree, "rev-parse", "HEAD")
        mallory = await invited(alice, tmp_path, f"mallory-{branch.decode()}")
        (mallory.root / "backdoor.py").write_bytes(b"import os\n")
        git(mallory.root, "add", "backdoor.py")
        git(mallory.root, "commit", "-qm", "tidy up")
        tip = git(mallory.root, "rev-parse", "HEAD")
        async with mallory.calls("alice") as talk:
            state = mallory.state(tip, kind=BranchKind.LANDED, branch=branch)
            assert isinstance(await talk.offer(state, await mallory.pack([tip], [head])), Held)

    def land(text: bytes) -> Typed:
        (alice.tree / "src" / "b.py").write_bytes(text)
        typed = alice.types("land", "-m", "mine", "--yes")
        assert typed.code == 0, typed
        return typed

    asyncio.run(lands(b"whatever"))
    assert "backdoor" not in land(b"1\n").out and not (alice.tree / "backdoor.py").exists()
    asyncio.run(lands(b"main"))
    typed = land(b"2\n")
    assert "Takes in 1 commit by mallory-main (backdoor.py)" in typed.err and "tidy up" in typed.err, typed
    assert "takes in 1 commit by mallory-main (backdoor.py)" in typed.out, typed
