"""Valid names of members and branches.

A member's name is a Git reference, a folder and a command-line argument on every machine of the team, so it is
restricted to what all of them accept.
"""

from __future__ import annotations

import re
import unicodedata

from bough_daemon.errors import BadName

LONGEST = 64
MOST_NAMES = 100  # that are tried for an additional clone or worktree
FORM = re.compile(r"[a-z0-9][a-z0-9._-]*(\+[a-z0-9-]+)?")
OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Git's pseudo references: file systems that fold case would confuse these with them.
RESERVED = re.compile(r"(.*_)?head|(auto_merge|merge_rr|stash|config|index|refs|objects|hooks|live|none)")
# Device names on Windows, in every folder and with any extension.
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
# Letters that Unicode does not decompose into an ASCII letter and a mark.
FOLDED = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
# https://git-scm.com/docs/git-check-ref-format, on bytes: a branch need not be UTF-8.
REFUSED_IN_BRANCH = re.compile(rb"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[/-]|/$|\.$|(^|/)\.|\.lock(/|$)|^@$|^HEAD$")
LONGEST_BRANCH_BYTES = 200


def check_member_name(name: str) -> str:
    """Return `name` if a member may have it, or raise BadName with the reason."""
    why = None
    if len(name) > LONGEST:
        why = f"it is longer than {LONGEST} characters"
    elif not FORM.fullmatch(name):
        why = "it may have lower-case letters, digits, `.`, `_`, `-`, after a letter or digit, and end in one `+word`"
    elif ".." in name or name.endswith((".", ".lock")):
        why = "Git does not accept it as a branch name"
    elif RESERVED.fullmatch(name) or OBJECT_ID.fullmatch(name):
        why = "Git reserves such names"
    elif DEVICES.fullmatch(name):
        why = "it is a device name on Windows"
    if why is not None:
        raise BadName(f"{name!r} is not a valid member name: {why}", name=name)
    return name


def member_name_from(git_user_name: str) -> str:
    """Return the member name derived from a Git user's name: `Älice Müller` gives `alice-muller`.

    Raises BadName if nothing of it can be used, as with a script without ASCII letters.
    """
    plain = unicodedata.normalize("NFKD", git_user_name.lower().translate(FOLDED))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = re.sub(r"[^a-z0-9._]+", "-", plain)
    words = re.sub(r"\.{2,}", ".", words)[:LONGEST].strip("-._").removesuffix(".lock")
    if not words:
        raise BadName(f"no member name can be derived from the Git user name {git_user_name!r}", name=git_user_name)
    return check_member_name(words)


def check_branch(name: bytes) -> bytes:
    """Return the name of a shared branch (`main`) if Git accepts it as a branch, or raise BadName."""
    if not name or len(name) > LONGEST_BRANCH_BYTES or REFUSED_IN_BRANCH.search(name):
        raise BadName(f"{name!r} is not a valid branch name", name=repr(name))
    return name


def owner_of(branch: str) -> str:
    """Return the name before the last `+`: the owner of a further branch, unless a member has the whole name."""
    return branch.rpartition("+")[0] or branch


def check_live_branch(name: str) -> str:
    """Return `name` if a live branch may have it, a member's or `MEMBER+FOLDER`, or raise BadName."""
    if name.count("+") > 1:
        member, _, folder = name.rpartition("+")
        check_member_name(f"{check_member_name(member).partition('+')[0]}+{folder}")
        if len(name) <= LONGEST:
            return name
    return check_member_name(name)


def further_names(name: str, folder: str, *, branch: bool = False) -> list[str]:
    """Return possible names for another clone of a member (`branch`: another worktree), best first.

    That is `NAME+FOLDER` in valid characters, or numbered. A member's own name has one `+` at most.
    """
    join = "-" if "+" in name and not branch else "+"
    room = LONGEST - len(name) - len(f"+-{MOST_NAMES}")
    plain = (re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-") or "worktree")[: max(room, 1)].strip("-")
    return [f"{name}{join}{word}" for word in (plain, *(f"{plain}-{number}" for number in range(2, MOST_NAMES)))]
