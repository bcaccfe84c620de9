"""The engine without a model, through its face."""

from __future__ import annotations

from bough_completion import BUFFER, BlobKind, Origin, Query, RepositoryEngine

SHOP = """\
class Basket:
    def total(self) -> int:
        return sum(item.price * item.count for item in self.items)

    def add(self, item: Item) -> None:
        self.items.append(item)
"""


def best(engine: RepositoryEngine, path: str, prefix: str, suffix: str = "") -> str | None:
    suggestions = engine.complete(Query(path, prefix, suffix, patience=5.0))
    return suggestions[0].text if suggestions else None


def test_a_line_that_stands_elsewhere_is_completed() -> None:
    engine = RepositoryEngine()
    engine.put("shop.py", SHOP)
    assert best(engine, "till.py", "def f(self):\n    return sum(item.pr") == (
        "ice * item.count for item in self.items)"
    )


def test_the_blanks_already_typed_are_not_written_twice() -> None:
    engine = RepositoryEngine()
    engine.put("shop.py", SHOP)
    assert best(engine, "till.py", "x\n    def add(self, item: ") == "Item) -> None:"


def test_an_empty_engine_learns_from_the_file_itself() -> None:
    prefix = "alpha = compute(first, second)\nbeta = 1\nalpha = comp"
    assert best(RepositoryEngine(), "a.py", prefix) == "ute(first, second)"
    assert best(RepositoryEngine(), "a.py", "") is None


def test_a_dropped_blob_is_forgotten_and_a_replaced_one_is_learned_anew() -> None:
    engine = RepositoryEngine()
    engine.put("a.py", "window.open_with(title)\n")
    assert best(engine, "b.py", "window.op") == "en_with(title)"
    engine.put("a.py", "window.opened_by(user)\n")
    assert best(engine, "b.py", "window.op") == "ened_by(user)"
    engine.drop("a.py")
    engine.drop("never there")
    assert best(engine, "b.py", "window.op") is None
    assert engine.stats().blobs == 0


def test_an_unsaved_buffer_hides_what_was_saved() -> None:
    engine = RepositoryEngine()
    engine.put("a.py", "window.open_with(title)\n")
    engine.put("a.py", "window.opened_by(user)\n", BUFFER)
    assert best(engine, "b.py", "window.op") == "ened_by(user)"
    engine.drop("a.py", BUFFER)
    assert best(engine, "b.py", "window.op") == "en_with(title)"
    engine.put("a.py", "window.opens()\n", BUFFER)
    engine.put("a.py", "window.opaque()\n")
    assert best(engine, "b.py", "window.op") == "aque()", "what was saved later is newer"


def test_a_teammates_branch_speaks_on_evidence_only_and_is_named() -> None:
    engine = RepositoryEngine()
    engine.put("shop.py", "def price(item):\n    return item.price\n")
    live = Origin(BlobKind.LIVE, "alice")
    engine.put("shop.py", "def price(item, currency):\n    return item.price.to(currency)\n", live)
    assert engine.complete(Query("till.py", "x = 1\nprice(item, curr", patience=5.0))[0].source == "live:alice"
    assert engine.complete(Query("till.py", "x = 1\nitem.price.t", patience=5.0))[0].source == "live:alice"
    assert engine.complete(Query("till.py", "x = 1\nother(currency).pri", patience=5.0))[0].source == "repository"
    unrelated = engine.complete(Query("till.py", "x = 1\nto(curr", patience=5.0))
    assert unrelated == []


def test_many_small_changes_leave_few_segments_and_nothing_stale() -> None:
    engine = RepositoryEngine()
    for number in range(200):
        engine.put(f"{number % 10}.py", f"call_{number}(argument)\n")
        engine.complete(Query("q.py", "call_", patience=5.0))
    assert engine.stats().blobs == 10
    assert engine.stats().tokens < 100
    assert best(engine, "q.py", "call_199(") == "argument)"
    assert best(engine, "q.py", "call_188") is None


def test_a_block_is_written_where_one_begins_in_the_indentation_of_the_file() -> None:
    engine = RepositoryEngine()
    for number in range(6):
        engine.put(f"shop_{number}.py", SHOP)
    query = Query("till.py", "class Till:\n  def total(self) -> ", "\n\nx = 1\n", max_lines=5, patience=5.0)
    assert engine.complete(query)[0].text == "int:\n    return sum(item.price * item.count for item in self.items)"
    single = Query(query.path, query.prefix, query.suffix, patience=5.0)
    assert engine.complete(single)[0].text == "int:"


def test_a_line_that_begins_no_block_stays_one_line() -> None:
    engine = RepositoryEngine()
    engine.put("a.py", "def f():\n    first(one)\n    second(two)\n\n\ndef g():\n    third()\n")
    query = Query("b.py", "def h():\n    first(", "", max_lines=5, patience=5.0)
    assert engine.complete(query)[0].text == "one)"


def test_a_bracket_that_the_editor_closed_is_not_closed_again() -> None:
    engine = RepositoryEngine()
    engine.put("a.py", "value = compute(first, second)\n")
    assert best(engine, "b.py", "value = compute(fi", ")\n") == "rst, second"


def test_what_nobody_typed_is_not_learned() -> None:
    engine = RepositoryEngine()
    engine.put("min.js", "var a=open(title);" * 200)
    engine.put("long.txt", "window.open_with(title)\n" * 50_000)
    assert engine.stats().blobs == 0


def test_a_question_that_is_stopped_ends_without_an_answer() -> None:
    engine = RepositoryEngine()
    engine.put("a.py", "window.open_with(title)\n")
    assert engine.complete(Query("b.py", "window.op", patience=5.0), lambda: True) == []


def test_a_deadline_is_answered_with_the_best_so_far_which_is_not_shown() -> None:
    engine = RepositoryEngine()
    engine.put("a.py", "window.open_with(title)\n" * 100)
    engine.complete(Query("b.py", "window.op"))
    found = engine.complete(Query("b.py", "window.op", patience=0.0))
    assert all("en_with(title)".startswith(one.text) and not one.shown for one in found)


def test_a_file_that_was_asked_about_is_remembered_until_it_is_saved() -> None:
    engine = RepositoryEngine()
    typed = "window.open_with(title)\nwin"
    engine.complete(Query("a.py", typed, patience=5.0))
    assert best(engine, "b.py", "window.op") == "en_with(title)"
    engine.complete(Query("a.py", typed, patience=5.0))
    engine.put("a.py", "window.opened_by(user)\n")
    assert best(engine, "b.py", "window.op") == "ened_by(user)", "what was saved later is newer"


def test_no_more_than_a_few_files_are_remembered() -> None:
    engine = RepositoryEngine()
    for number in range(20):
        engine.complete(Query(f"{number}.py", f"call_{number}(argument)\n", patience=5.0))
    assert engine.stats().blobs == 8
    assert best(engine, "q.py", "call_19") == "(argument)"
    assert best(engine, "q.py", "call_2") is None
