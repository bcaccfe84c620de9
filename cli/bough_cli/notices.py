"""The words for what a user should know without having asked, each with its remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bough_daemon.api import notices
from bough_daemon.system.text import ago, printable, shell_word

from bough_cli import output

SHOWN = 3  # commits that are named
FORMER = "a former member"


@dataclass(frozen=True)
class Words:
    """A notice for a person. `about`: what it concerns, in a word or two. `remedy`: what to do about it."""

    about: str
    text: str
    remedy: str


def words_of(notice: notices.Notice) -> Words:
    """Return the words for a notice."""
    return WORDS[type(notice)](notice)


def note_of(note: notices.MergeNote) -> str:
    """Return the words for what is special about the source of a merge."""
    return MERGE_NOTES[type(note)](note)


def _kept_aside(told: notices.KeptAside) -> Words:
    if told.mine:
        text = f"{told.branch} has snapshots of yours that only teammates had (a restored backup?)"
    else:
        why = "a restored backup, or a second machine with the same keys"
        text = f"{told.branch} has snapshots that are not in {told.name}'s branch ({why})"
    remedy = f"`bough log {told.branch}` lists them; `bough merge {told.branch}` brings them into your files."
    return Words("kept aside", text, remedy)


def _other_version(told: notices.OtherVersion) -> Words:
    text = f"{told.name} runs an incompatible version of Bough; nothing is exchanged with them"
    return Words("version", text, "Compare `bough --version` on both machines and update the older one.")


def _owned_elsewhere(told: notices.OwnedElsewhere) -> Words:
    root = printable(told.root)
    text = f"{root} is not recorded: this repository is live under another home, {printable(told.owner)}"
    remedy = f"Run `bough up` in {root} once the other daemon has ended, or `bough down` there to forget it here."
    return Words("live", text, remedy)


def _purge_asked(told: notices.PurgeAsked) -> Words:
    asks = f"{told.by} asks to purge {output.count(told.contents, 'content')}"
    if told.committed:
        remedy = "Remove it from your history with `git filter-repo` first, or keep it."
        return Words("purge", f"{asks} that is in your Git history too", remedy)
    remedy = f"`bough purge --accept {told.by} --dry-run` shows it; without `--dry-run` it does it."
    return Words("purge", f"{asks} that you have recorded too", remedy)


def _ticket_overused(told: notices.TicketOverused) -> Words:
    joined = f"{', '.join(told.members)} joined with ticket {told.ticket}"
    text = f"{joined}, which was for {told.uses}: two members let them in at the same time"
    return Words("ticket", text, "Run `bough remove NAME` for anyone whom you do not know.")


def _new_key_vouched(told: notices.NewKeyVouched) -> Words:
    says = "says" if len(told.by) == 1 else "say"
    text = f"{', '.join(told.by)} {says} that {told.name} (key {told.fingerprint}) is {told.lost}, who lost their key"
    remedy = f"Ask {told.lost} in person; if it is so, `bough vouch {told.name} --as {told.lost}` makes it count."
    return Words("team", text, remedy)


def _address_gone(told: notices.AddressGone) -> Words:
    text = f"{told.host} is not an address of this machine now, so teammates cannot call it"
    remedy = "Bough uses it again once it is back, or run `bough config set team.listen HOST:PORT`."
    return Words("network", text, remedy)


def _port_in_use(told: notices.PortInUse) -> Words:
    only = ", which only this machine can reach" if told.only_here else ""
    text = f"{told.before} is used by another program, so teammates call {told.now}{only}"
    return Words("network", text, "Open it in your firewall, or run `bough config set team.listen HOST:PORT`.")


def _admissions_dropped(told: notices.AdmissionsDropped) -> Words:
    text = f"{output.count(told.count, 'recorded admission')} to this team no longer count{'s' * (told.count == 1)}"
    remedy = "Members whom `bough team` does not list need a new ticket: `bough invite` creates one."
    return Words("team", text, remedy)


def _no_connection(told: notices.NoConnection) -> Words:
    ask = f"Ask {told.name} to run `bough doctor`"
    remedy = f"{ask}; if they no longer know you, join again with a new ticket from them."
    return Words(told.name, f"there is no connection to {told.name}: {told.reason}", remedy)


def _store_near_limit(told: notices.StoreNearLimit) -> Words:
    word = "more than" if told.used > told.limit else "nearly all of"
    text = f"the snapshots here take {output.size(told.used)}, {word} the limit of {output.size(told.limit)}"
    fresh = "`bough down --forget` starts over with an empty history. Your saves are recorded anyway."
    return Words("room", text, f"{_raises(told.limit)}; {fresh}")


def _member_over_limit(told: notices.MemberOverLimit) -> Words:
    text = f"{told.name} has sent {output.size(told.sent)}: newer data from them is refused"
    return Words("room", text, f"{_raises(told.limit)}; `bough remove {told.name}` removes them from the team.")


def _raises(limit: int) -> str:
    return f"`bough config set store.limit_gb {2 * max(1, limit // output.GB)}` raises the limit"


def _state_contradicted(told: notices.StateContradicted) -> Words:
    sent = f"{told.member} sent others {output.short(told.other)} as the latest snapshot of {told.branch}"
    return _dispute(f"{sent}, which is {output.short(told.here)} here")


def _name_taken_already(told: notices.NameTakenAlready) -> Words:
    chose = f"{told.by or FORMER} chose the name {told.name}"
    return _dispute(f"{chose}, which does not count because {told.holder} has it")


def _admitted_twice(told: notices.AdmittedTwice) -> Words:
    return _dispute(f"{told.by or FORMER} also admitted {told.member} as {told.name}, which does not count")


def _name_admitted_twice(told: notices.NameAdmittedTwice) -> Words:
    said = f"{told.by or FORMER} admitted another {told.name}, which does not count"
    return _dispute(f"{said}; ask {told.first or FORMER}, who admitted {told.holder}")


def _dispute(text: str) -> Words:
    return Words("team", text, "Ask the members named here; one of them is misconfigured or hostile.")


def _much_removed(told: notices.MuchRemoved) -> Words:
    counts = [(told.files, "file"), (told.lines, "line")]
    much = " and ".join(output.count(number, what) for number, what in counts if number)
    text, before = f"a save {ago(told.at)} removed {much}: {output.few(told.paths)}", output.short(told.before)
    if len(told.paths) > SHOWN:
        return Words(
            "removed", text, f"`bough restore --all --from {before}` restores all files as they were before it."
        )
    paths = " ".join(map(shell_word, told.paths))
    return Words("removed", text, f"`bough restore {paths} --from {before}` brings them back.")


def _state_before_operation(told: notices.StateBeforeOperation) -> str:
    return f"{told.name} has a {told.operation} in progress: merged the state before it"


def _remote_unreachable(told: notices.RemoteUnreachable) -> str:
    return f"{told.remote} cannot be reached: merged the state fetched last"


def _commits_left_out(told: notices.CommitsLeftOut) -> str:
    more = f" and {len(told.commits) - SHOWN} more" if len(told.commits) > SHOWN else ""
    count = output.count(len(told.commits), "commit")
    return f"left out {count} that {told.branch} no longer has: {', '.join(told.commits[:SHOWN])}{more}"


def _local_commits_not_merged(told: notices.LocalCommitsNotMerged) -> str:
    return f"your {told.branch} has commits that {told.place} lacks; they were not merged"


WORDS: dict[type, Callable[[Any], Words]] = {
    notices.KeptAside: _kept_aside,
    notices.OtherVersion: _other_version,
    notices.OwnedElsewhere: _owned_elsewhere,
    notices.PurgeAsked: _purge_asked,
    notices.TicketOverused: _ticket_overused,
    notices.NewKeyVouched: _new_key_vouched,
    notices.AddressGone: _address_gone,
    notices.PortInUse: _port_in_use,
    notices.AdmissionsDropped: _admissions_dropped,
    notices.NoConnection: _no_connection,
    notices.StoreNearLimit: _store_near_limit,
    notices.MemberOverLimit: _member_over_limit,
    notices.StateContradicted: _state_contradicted,
    notices.NameTakenAlready: _name_taken_already,
    notices.AdmittedTwice: _admitted_twice,
    notices.NameAdmittedTwice: _name_admitted_twice,
    notices.MuchRemoved: _much_removed,
}
MERGE_NOTES: dict[type, Callable[[Any], str]] = {
    notices.StateBeforeOperation: _state_before_operation,
    notices.RemoteUnreachable: _remote_unreachable,
    notices.CommitsLeftOut: _commits_left_out,
    notices.LocalCommitsNotMerged: _local_commits_not_merged,
}
