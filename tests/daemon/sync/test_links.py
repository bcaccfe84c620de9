"""What is said of the roster fits into messages, however much there is to say."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from bough_daemon.budgets import GOSSIP_BYTES, LONGEST_NONCE, MOST_ADMISSIONS
from bough_daemon.store.packs import Spool
from bough_daemon.sync import wire
from bough_daemon.sync.joining import welcome
from bough_daemon.sync.links import Link
from bough_daemon.sync.messages import Gossip
from bough_daemon.system.addresses import LONGEST_ADDRESS
from bough_daemon.team.roster import MOST_ADDRESSES, Admission, Contact, Roster

from tests.daemon.team.test_roster import NOW, admit, someone

ADDRESSES = (f"{'a' * (LONGEST_ADDRESS - 5)}:1234",) * MOST_ADDRESSES
CONTACTS = {key: Contact(key, ADDRESSES, NOW, bytes(64)) for key in (b"%032d" % number for number in range(600))}
MESSAGE_BYTES = 4 << 20  # that gRPC takes


def admission(number: int, certificate: bytes) -> Admission:
    return Admission(f"m{number}", b"%032d" % number, certificate, bytes(64), bytes(32), NOW)


@pytest.mark.parametrize("certificate_bytes", [500, 1 << 20])
def test_the_roster_is_told_in_order_in_words_that_fit(certificate_bytes: int) -> None:
    entries = [admission(number, bytes(certificate_bytes)) for number in range(8 if certificate_bytes > 500 else 1100)]
    link = Link(admissions={entry.digest: entry for entry in entries}, contacts=dict(CONTACTS))
    words = list[Gossip]()
    while (word := link.next_word({}, 1)) is not None:
        assert isinstance(word, Gossip)
        words.append(word)
        assert len(word.admissions) <= MOST_ADMISSIONS
        assert wire.word_message(word).ByteSize() < GOSSIP_BYTES * 2 + certificate_bytes < MESSAGE_BYTES
    assert [entry for word in words for entry in word.admissions] == entries
    assert [contact for word in words for contact in word.contacts] == list(CONTACTS.values())


def test_the_welcome_of_a_joiner_fits_into_a_message() -> None:
    roster = Roster.found(someone("alice"), "alice", NOW)
    roster.contacts |= CONTACTS
    mine = Contact(someone("alice").key, ADDRESSES, NOW)
    roster.contacts[mine.key] = mine
    answer = welcome(roster, mine.key)
    assert wire.gossip(answer.welcome).contacts[0] == mine
    assert answer.ByteSize() < MESSAGE_BYTES // 2
    assert len(answer.welcome.admissions) == 1 and 100 < len(answer.welcome.contacts) < len(CONTACTS)


def test_an_admission_is_no_place_to_put_data() -> None:
    roster = Roster.found(someone("alice"), "alice", NOW)
    bob = admit(roster, "alice", "bob")
    roster.forget(bob, NOW)
    large = replace(bob, nonce=bytes(LONGEST_NONCE + 1), signature=b"")
    signed = replace(large, signature=someone("alice").sign(large.statement(roster.team)))
    assert roster.merge([signed], [], NOW) == ([], [])
    assert roster.merge([bob], [], NOW)[0] == [bob]


# What is known of a peer, as opposed to what is still to be said to it; a large pack is asked for, or goes beside.
KNOWN = {
    *("holds", "early", "unsure", "offered", "declined", "unable", "owed", "making", "incoming", "wasted", "ready"),
    *("relays", "talks", "conversation", "told", "passed", "apart_above", "window", "told_arrived"),
}
SOMETHING: dict[str, object] = {"positions": (), "arrived": 1, "told_arrived": 1, "wasted": 1, "apart_above": 1.0}


@pytest.mark.parametrize("name", [field.name for field in fields(Link)])
def test_a_link_has_words_while_anything_is_to_be_said(tmp_path: Path, name: str) -> None:
    link = Link()
    assert not link.has_words()
    with Spool.below(str(tmp_path)).file as file:
        pack = {"outgoing": {"one": SimpleNamespace(spool=Spool(file))}}
        setattr(link, name, (SOMETHING | pack).get(name, {"one": "more"}))
        assert link.has_words() == (name not in KNOWN)
