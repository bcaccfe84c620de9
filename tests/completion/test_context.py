"""What a model gets to read: what was fed and the file itself, the stable parts first."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bough_completion.prompt.context import Context
from bough_completion.prompt.edits import changed
from bough_completion.prompt.outline import definitions_in, imports_in, means
from bough_completion.query import BUFFER, BlobKind, Origin, Query

ALICE = Origin(BlobKind.LIVE, "alice")
SHOP = '''class Basket:
    """Holds goods."""

    def add(self, good: Good, count: int = 1) -> None:
        self.goods.append((good, count))


def price_of(good: Good) -> int:
    return good.price
'''


def files(context: Context, query: Query, room: int = 3000) -> dict[str, str]:
    return dict(context.prompt(query, room).files)


def test_signatures_of_what_is_imported_come_along() -> None:
    context = Context("/home/shop")
    context.put("shop/basket.py", SHOP)
    context.put("shop/other.py", "def unrelated(): ...\n")
    query = Query("shop/till.py", "from shop.basket import Basket, price_of\n\nb = ")
    expected = "class Basket:\n    def add(self, good: Good, count: int = 1) -> None:\ndef price_of(good: Good) -> int:"
    assert files(context, query) == {"shop/basket.py": expected}
    only = Query("shop/till.py", "from .basket import price_of\n\nb = ")
    assert files(context, only) == {"shop/basket.py": "def price_of(good: Good) -> int:"}
    assert context.prompt(query, 3000).repository == "shop"


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.go", "package a\nfunc Add(a int, b int) int {\n\treturn a\n}\n", ["func Add(a int, b int) int"]),
        ("a.rs", "impl Shop {\n    pub fn open(&self) -> bool { true }\n}\n", ["    pub fn open(&self) -> bool"]),
        ("a.ts", "export function pay(sum: number): void {\n}\n", ["function pay(sum: number): void"]),
        ("a.h", "int pay(struct till *till, int sum);\n", ["int pay(struct till *till, int sum);"]),
        ("a.java", "class Till {\n  int pay(int sum) { return 0; }\n}\n", ["class Till", "  int pay(int sum)"]),
        ("a.unknown", "def f(): ...", []),
    ],
)
def test_definitions_are_found_in_any_language(path: str, text: str, expected: list[str]) -> None:
    assert [each.text for each in definitions_in(path, text)] == expected


@pytest.mark.parametrize(
    ("path", "line", "target"),
    [
        ("a.py", "import shop.basket", "shop/basket.py"),
        ("a.py", "from shop import basket", "shop/__init__.py"),
        ("a.js", 'import { x } from "./lib/basket"', "src/lib/basket.js"),
        ("a.c", '#include "shop/basket.h"', "include/shop/basket.h"),
        ("a.rs", "use crate::shop::basket;", "src/shop/basket.rs"),
        ("a.java", "import org.shop.Basket;", "src/org/shop/Basket.java"),
    ],
)
def test_imports_mean_files(path: str, line: str, target: str) -> None:
    found = imports_in(path, line + "\n")
    assert any(means(each, target) for each in found)
    assert not any(means(each, "elsewhere/till.py") for each in found)


def test_edits_of_other_files_and_open_files_come_along() -> None:
    context = Context()
    lines = [f"line {number}" for number in range(40)]
    context.put("a.py", "\n".join(lines))
    context.put("a.py", "\n".join([*lines[:20], "changed", *lines[21:]]))
    context.put("b.py", SHOP, BUFFER)
    found = files(context, Query("c.py", ""))
    assert found["a.py"] == "line 18\nline 19\nchanged\nline 21\nline 22"
    assert found["b.py"].startswith("class Basket:")
    assert "a.py" not in files(context, Query("a.py", ""))
    context.drop("b.py", BUFFER)
    assert set(files(context, Query("c.py", ""))) == {"a.py"}


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [("a\nb", "a\nb", ""), ("a", "a\nb", "a\nb"), ("a\nb\nc", "a\nc", "a\nc"), ("", "x", "x"), ("x", "", "")],
)
def test_what_changed_between_two_texts(before: str, now: str, expected: str) -> None:
    assert changed(before, now) == expected


def test_teammates_come_along_on_evidence_only() -> None:
    context = Context()
    context.put("shop/basket.py", SHOP)
    context.put("shop/basket.py", SHOP.replace("good.price", "good.net + good.tax"), ALICE)
    theirs = "def price_of(good: Good) -> int:\n    return good.net + good.tax"
    assert files(context, Query("till.py", "x = 1\n")) == {}
    assert files(context, Query("till.py", "x = price_of(y)\nz = ")) == {"shop/basket.py": theirs}
    assert files(context, Query("shop/basket.py", SHOP)) == {"shop/basket.py": theirs}


def test_only_what_was_fed_is_ever_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secrets.py").write_text("KEY = 'hidden'\ndef key(): ...\n")
    context = Context(str(tmp_path))
    prompt = context.prompt(Query("a.py", "from secrets import key\nimport secrets\n"), 3000)
    assert prompt.files == ()


def test_a_huge_prompt_is_cut_and_its_start_seldom_moves() -> None:
    context, text = Context(), "some line of code\n" * 600_000
    first = context.prompt(Query("a.py", text + "x", text), 3000)
    assert len(first.before) <= 65_536 and len(first.after) <= 65_536
    starts = {context.prompt(Query("a.py", f"{text}{'y' * 40}\n" * 1 + "z" * number), 3000).before for number in (1, 9)}
    assert len(starts) == 1


def test_typing_changes_only_the_end_of_the_prompt() -> None:
    """Type a real file key by key and count how much of each prompt was in the one before."""
    context = Context("/home/shop")
    context.put("shop/basket.py", SHOP)
    source = Path(__file__).read_text()
    draw, shares = random.Random(4), []
    last = ""
    for _ in range(3):
        place = source.index("\n", draw.randrange(len(source) // 3, 2 * len(source) // 3)) + 1
        for end in range(place, place + 300):
            prompt = context.prompt(Query("tests/test_context.py", source[:end], source[place + 300 :]), 3000)
            # As Mellum's order has it; the others read the text after the cursor anew with each line.
            text = "".join((*(path + body for path, body in prompt.files), prompt.after, prompt.before, prompt.begun))
            same = next((at for at, (a, b) in enumerate(zip(text, last, strict=False)) if a != b), len(last))
            shares.append(same / len(text))
            last = text
    assert sum(share > 0.99 for share in shares) / len(shares) > 0.98
