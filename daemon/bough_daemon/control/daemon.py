"""The daemon: one for each user, with all of the user's live repositories."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from bough_daemon.agents.agent_list import AgentList
from bough_daemon.api.live_worktrees import LiveTrees
from bough_daemon.api.notices import OwnedElsewhere
from bough_daemon.api.progress import CommandWait, GitAtWork, ReadingWait, RecordingWait
from bough_daemon.api.records import FileRecord, Joined, Renamed, Status, Up
from bough_daemon.completion.manager import CompletionManager
from bough_daemon.control.hub import TeamHub
from bough_daemon.control.repository import HUB, STATUS_PATIENCE, Repository, RepositoryCallbacks, Where
from bough_daemon.errors import BoughError, CommandAtWork, CutShort, NameChosen, NotLive, StillHopped, StoreOwned
from bough_daemon.git.command import git_version
from bough_daemon.git.store_reading import HOPS
from bough_daemon.git.worktree import Worktree, live_root
from bough_daemon.history.journal import Journal
from bough_daemon.home import Home
from bough_daemon.merging.merge_workers import MergeWorkers
from bough_daemon.recording.recorder import Recorder
from bough_daemon.store.store import prepare_libgit2
from bough_daemon.sync.clones import Listeners
from bough_daemon.system.at_work import Work, seconds_since
from bough_daemon.system.environment import NOTHING, UserEnvironment, lasting
from bough_daemon.system.memory import give_back_now_and_then
from bough_daemon.system.opened import Opened
from bough_daemon.system.supervisor import Pause, Supervisor, state_with
from bough_daemon.system.threads import to_the_end
from bough_daemon.team.names import check_member_name, member_name_from

log = logging.getLogger(__name__)

WAIT_FOR_IT = "Wait for it, or stop it with Ctrl-C in its terminal."


class AlreadyRunning(Exception):
    """Another daemon serves this home."""


class Daemon:
    """Everything that is live for one user; created by `open`. All methods run on the event loop."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.repositories: dict[str, Repository] = {}
        self.stopping = asyncio.Event()
        self._live = LiveTrees(home)
        self._changing = asyncio.Lock()
        self._making: tuple[Worktree, float] | None = None  # the working tree that is being made live, and since when
        self._background = Supervisor()
        self._live_repositories: dict[str, AsyncExitStack] = {}  # what closes each
        self._owned_elsewhere: dict[str, StoreOwned] = {}  # remembered as live here, but owned by another home
        self.completing = CompletionManager(home)
        self._workers = MergeWorkers()
        self._listeners = Listeners(home)
        self.hub = TeamHub(home, self._listeners, self._open_for_hub, self._close)

    @classmethod
    @asynccontextmanager
    async def open(cls, home: Home) -> AsyncIterator[Daemon]:
        """Yield a daemon that can make working trees live until the end of the block; they stay remembered."""
        prepare_libgit2()
        async with Opened() as opened:
            daemon = cls(home)
            opened.push_async_callback(asyncio.to_thread, daemon._workers.close)
            await opened.enter_async_context(daemon._listeners.listening())
            opened.push_async_callback(daemon._close_repositories)
            await opened.enter_async_context(daemon.completing.running())
            opened.push_async_callback(daemon._background.close)
            yield daemon

    async def run(self) -> None:
        """Resume what was live, then wait until told to stop, or until nothing has been live for a while."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        self._background.keep("resuming live working trees", self._revive)
        self._background.keep("ending an idle daemon", self._end_when_idle)
        self._background.keep("releasing memory", give_back_now_and_then)
        await self.stopping.wait()

    async def _close_repositories(self) -> None:
        async with self._changing:
            for common_dir in list(self.repositories):
                await self._close(common_dir)

    async def _close(self, common_dir: str) -> None:
        """Close a repository; even if that fails, it is no longer live."""
        del self.repositories[common_dir]
        await self._live_repositories.pop(common_dir).aclose()

    async def up_as(self, path: str, name: str, environment: Mapping[str, str] = NOTHING) -> Up:
        """Make the working tree around `path` live; raise NotPossibleNow if its member already has another name."""
        made = await self.up(path, name, environment)
        if name and made.member != name:
            if not made.already:
                await self.down(path, False)
            raise NameChosen(f"you already joined as {made.member}")
        return made

    async def up(self, path: str, name: str, environment: Mapping[str, str] = NOTHING) -> Up:
        """Make the working tree around `path` live; `environment`: that of the requesting terminal."""
        git_version(environment.get("PATH"))
        worktree = await asyncio.to_thread(Worktree.find, path, UserEnvironment(environment))
        async with self._changing:
            await self._drop_gone()
            already = self._find(worktree.root)
            self._making = (worktree, time.time())
            try:
                session = already or await self._start(worktree, name)
            finally:
                self._making = None
            member = self._repository_of(session).member
            self._live.add(worktree.root, name and member, lasting(session.worktree.user.variables))
            self._background.recovered(_revival_of(worktree.root))
            self._owned_elsewhere.pop(worktree.root, None)
        if already is not None:
            await self._take_along(session, environment)
        tip = session.branch.tip
        assert tip is not None
        return Up(worktree.root, member, session.branch.name, tip.oid, already is not None)

    async def reload_settings(self) -> list[str]:
        """Apply the settings; return the notices for the user."""
        for repository in list(self.repositories.values()):
            await repository.measure()
            repository.follow_settings()
        return [*await self._listeners.follow_setting(), *await self.completing.reload()]

    async def join(self, path: str, ticket: str, name: str, environment: Mapping[str, str], where: Where) -> Joined:
        """Join a team with the working tree around `path`, made live first; if that fails, everything is as before."""
        was_live = live_root(path) in self._live
        await self.up(path, name, environment)
        repository, _ = await self.session(path)
        try:
            joined = await repository.join(ticket, name, where)
        except BaseException:
            if not was_live:
                await self.down(path, False)
            raise
        for root in repository.sessions:
            self._live.add(root, joined.member)
        return joined

    async def rename(self, path: str, name: str) -> Renamed:
        """Rename the member of the repository around `path`."""
        repository, _ = await self.session(path)
        before = repository.member
        await repository.rename(name)
        for root in repository.sessions:
            self._live.add(root, repository.member)
        return Renamed(repository.member, before)

    async def down(self, path: str, forget: bool) -> None:
        """Stop recording the working tree around `path`; with `forget`, delete Bough's data in its repository."""
        worktree = await asyncio.to_thread(Worktree.find, path)
        if self._making is not None and self._making[0].root == worktree.root:
            self._making[0].children.end()  # it may be waiting for a filter that hangs
        async with self._changing:
            if forget:
                await asyncio.to_thread(check_at_home, worktree)
            repository = self.repositories.get(worktree.common_dir)
            for root, session in repository.sessions.items() if repository is not None else ():
                if session.is_acting and (forget or root == worktree.root):
                    raise CommandAtWork(f"a command is at work in {root}", hint=WAIT_FOR_IT)
            was_live = worktree.root in self._live
            self._live.remove(worktree.root)
            self._owned_elsewhere.pop(worktree.root, None)
            if repository is not None and worktree.root in repository.sessions:
                await self.completing.unfollow(worktree.root)
                await repository.remove(worktree.root)
            elif not forget and not was_live:
                raise NotLive(f"{worktree.root} is not live")
            if repository is not None and (forget or not repository.sessions):
                for root in repository.sessions:
                    self._live.remove(root)
                    await self.completing.unfollow(root)
                await self._close(worktree.common_dir)
            if forget:
                folder = os.path.join(worktree.common_dir, "bough")
                await self._listeners.forget(folder)
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def session(self, path: str, environment: Mapping[str, str] = NOTHING) -> tuple[Repository, Recorder]:
        """Return what is live around `path`, resuming a remembered tree; raise NotLive.

        `environment`: that of the terminal that a command was typed in.
        """
        root = live_root(path)
        found = self._find(root) if root else None
        if found is not None and found.store.is_replaced():
            found = None  # the repository was restored or recreated: resume what is there now
        if found is None:
            worktree = await asyncio.to_thread(Worktree.find, path, UserEnvironment(environment))
            remembered = next((tree for tree in self._live if tree.root == worktree.root), None)
            if remembered is None:
                raise NotLive(f"{worktree.root} is not live", path=worktree.root)
            await self.up(path, remembered.name, environment or remembered.environment)
            found = self._find(worktree.root)
            assert found is not None
        if found.is_gone():
            await self._let_go(found.worktree.root)
            raise NotLive(f"{found.worktree.root} is gone")
        found.store.check_there()
        await self._take_along(found, environment)
        return self._repository_of(found), found

    async def _take_along(self, session: Recorder, environment: Mapping[str, str]) -> None:
        """Let a working tree use the environment of a command typed in its user's terminal."""
        if environment and await session.take_along(environment):
            name = next((tree.name for tree in self._live if tree.root == session.worktree.root), "")
            with suppress(OSError):  # it is only remembered
                self._live.add(session.worktree.root, name, lasting(environment))

    async def status(self, path: str, environment: Mapping[str, str] = NOTHING) -> Status:
        """Return the status of a live working tree, with the failures in the background."""
        repository, session = await self.session(path)
        with suppress(TimeoutError):  # a filter that hangs must not keep the status from reporting it
            async with asyncio.timeout(STATUS_PATIENCE):
                await self._take_along(session, environment)
        told = await repository.status(session)
        told.failing += [*self._background.failing(), *self._listeners.failing(), *self.completing.failing()]
        told.notices += (OwnedElsewhere(root, owned.facts["owner"]) for root, owned in self._owned_elsewhere.items())
        told.state = state_with(told.state, told.failing)
        return told

    def waits_for(self, path: str) -> CommandWait | ReadingWait | RecordingWait | None:
        """Return what a command about `path` has to wait for; None: nothing known."""
        root = live_root(path)
        session = self._find(root) if root else None
        if session is not None and session.at_work is not None:
            return _command_wait(session.at_work)
        if session is not None and (large := session.reading_seconds()):
            return ReadingWait(*next(iter(large.items())))
        if session is not None and session.owner.busy_since is not None:
            return _recording_wait(session.worktree, session.owner.busy_since)
        if self._making is not None:
            return _recording_wait(*self._making, starting=True)
        return None

    async def place(self, file: str) -> FileRecord:
        """Return where a file is, and learn the files near it first."""
        try:
            _, session = await self.session(os.path.dirname(file))
        except BoughError:
            return await asyncio.to_thread(self.completing.place, None, file)
        place = await asyncio.to_thread(self.completing.place, session, file)
        if place.live:
            self.completing.focus(session, place.path)
        return place

    def _let_go_soon(self, root: str) -> None:
        self._background.begin("releasing a working tree", lambda: to_the_end(self._let_go(root)))

    async def _let_go(self, root: str) -> None:
        """Stop recording a working tree that was removed or moved."""
        async with self._changing:
            await self._drop(root, forget=True)

    async def _drop(self, root: str, forget: bool) -> None:
        """Stop recording a working tree; with `forget` it is no longer remembered as live."""
        if forget:
            self._live.remove(root)
        for common_dir, repository in list(self.repositories.items()):
            if root in repository.sessions:
                await self.completing.unfollow(root)
                await repository.remove(root)
                if not repository.sessions:
                    await self._close(common_dir)

    async def _drop_gone(self) -> None:
        sessions = [session for repository in self.repositories.values() for session in repository.sessions.values()]
        for session in sessions:
            if session.is_gone() or session.store.is_replaced():
                await self._drop(session.worktree.root, forget=session.is_gone())

    def _find(self, root: str) -> Recorder | None:
        return next((r.sessions[root] for r in self.repositories.values() if root in r.sessions), None)

    def _repository_of(self, session: Recorder) -> Repository:
        return self.repositories[session.worktree.common_dir]

    async def _start(self, worktree: Worktree, name: str) -> Recorder:
        repository = self.repositories.get(worktree.common_dir) or await self._open(worktree, name)
        try:
            session = await repository.add(worktree)
        except BaseException:
            if not repository.sessions:
                await to_the_end(self._close(worktree.common_dir))
            raise
        self.completing.follow(repository, session)
        return session

    async def _open(self, worktree: Worktree, name: str) -> Repository:
        wished = check_member_name(name) if name else member_name_from(worktree.config("user.name"))
        return await self._open_repository(worktree.common_dir, wished)

    async def _open_for_hub(self, common_dir: str) -> Repository:
        return self.repositories.get(common_dir) or await self._open_repository(common_dir, HUB, is_hub=True)

    async def _open_repository(self, common_dir: str, wished: str, *, is_hub: bool = False) -> Repository:
        callbacks = RepositoryCallbacks(self._let_go_soon, self._follow_again)
        async with Opened() as opened:
            here = self.home, self._listeners, self._workers
            opening = Repository.open(*here, callbacks, common_dir, wished, is_hub=is_hub)
            repository = await opened.enter_async_context(opening)
            self.repositories[common_dir] = repository
            self._live_repositories[common_dir] = opened.pop_all()
        return repository

    async def _follow_again(self, repository: Repository, session: Recorder) -> None:
        """Feed the completion process from a working tree whose recording has restarted."""
        await self.completing.unfollow(session.worktree.root)
        self.completing.follow(repository, session)

    async def _revive(self) -> None:
        """Resume what was live when the daemon last ran; retry what fails until it works or is gone."""
        pause = Pause(shortest=0.5, longest=60.0)
        while True:
            if await self._bring_back():
                return
            await asyncio.sleep(pause.after(0.0))

    async def _bring_back(self) -> bool:
        """Resume what is remembered as live and is not; return whether everything is live."""
        whole = await self._bring_hub_back()
        for tree in self._live:
            if self._find(tree.root) is not None:
                continue
            if not os.path.isdir(tree.root):
                log.info("%s is gone and no longer live", tree.root)
                self._live.remove(tree.root)
                continue
            try:
                await self.up(tree.root, tree.name, tree.environment)
            except StoreOwned as owned:
                # This home is or was a copy: retrying would only fill the log.
                self._owned_elsewhere[tree.root] = owned
                log.warning("cannot resume %s: %s", tree.root, owned.message)
            except Exception as failure:  # the others are resumed nevertheless
                self._background.note(_revival_of(tree.root), failure)
                whole = False
        return whole

    async def _bring_hub_back(self) -> bool:
        failures = await self.hub.bring_back()
        for folder, failure in failures.items():
            self._background.note(_revival_of(folder), failure)
        return not failures

    async def _end_when_idle(self) -> None:
        quiet = 0.0
        step = min(self.home.idle_seconds / 4, 30.0)
        while quiet < self.home.idle_seconds:
            await asyncio.sleep(step)
            quiet = 0.0 if self.repositories or self.completing.is_wanted else quiet + step
        self.stopping.set()


def _command_wait(work: Work) -> CommandWait:
    return CommandWait(work.command, seconds_since(work.since), work.process, work.running(), work.asking())


def _recording_wait(worktree: Worktree, since: float, *, starting: bool = False) -> RecordingWait:
    waited = worktree.children.waited()
    at_work = None
    if waited is not None:
        at_work = GitAtWork(waited.command, waited.process, waited.running(), seconds_since(waited.since))
    return RecordingWait(worktree.root, seconds_since(since), starting, at_work)


def _revival_of(root: str) -> str:
    return f"resuming {root}"


def check_at_home(worktree: Worktree) -> None:
    """Raise NotPossibleNow while a working tree of the repository shows a teammate's branch, or a hop is unfinished.

    What its user had before is only in the store.
    """
    agent = AgentList(os.path.join(worktree.common_dir, "bough")).all().get(HOPS)
    for_hops = agent.root if agent is not None else ""
    for line in worktree.git.run("worktree", "list", "--porcelain", "-z").split(b"\0"):
        if line.startswith(b"worktree ") and os.path.isdir(line[9:]):
            one = Worktree.find(os.fsdecode(line[9:]))
            journal = Journal.of(os.path.join(worktree.common_dir, "bough"), one)
            if journal.interrupted() is not None:
                raise CutShort(f"a command was cut short in {one.root}; run `bough undo` there first")
            hop = journal.hop()
            if hop is not None:
                remedy = "run `bough agent hop --remove`" if one.root == for_hops else "run `bough back` there"
                raise StillHopped(f"{one.root} is on {hop.name}'s branch; {remedy} first")


def take_home(home: Home) -> int:
    """Lock a home for this process, or raise AlreadyRunning. The lock is released when the process ends."""
    home.make()
    with home.used():
        descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as taken:
        os.close(descriptor)
        raise AlreadyRunning from taken
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor
