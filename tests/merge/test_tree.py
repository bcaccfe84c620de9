"""Merges of whole trees: what happens between files."""

from __future__ import annotations

from bough_merge import merge_tree

SHOP = b"def price(item):\n    tax = 2\n    return item + tax\n\n\ndef other():\n    return price(1)\n"
USER = b"from shop import price\n\n\ndef pay():\n    return price(2)\n"


def test_a_rename_reaches_the_other_sides_new_uses_in_another_file() -> None:
    base = {"shop.py": SHOP, "user.py": USER}
    ours = {"shop.py": SHOP.replace(b"price", b"cost"), "user.py": USER.replace(b"price", b"cost")}
    theirs = base | {"user.py": USER + b"\n\ndef tip():\n    return price(3)\n"}
    merged = merge_tree(base, ours, theirs)
    assert merged.clean
    assert b"return cost(3)" in merged.files["user.py"].content
    assert b"price" not in merged.files["user.py"].content
    assert [(finding.kind, finding.path) for finding in merged.findings] == [("renamed", "user.py")]


def test_a_rename_is_carried_into_a_file_that_only_the_other_side_has() -> None:
    base = {"shop.py": SHOP}
    theirs = base | {"new.py": b"from shop import price\n\nprice(4)\n"}
    merged = merge_tree(base, {"shop.py": SHOP.replace(b"price", b"cost")}, theirs)
    assert merged.files["new.py"].content == b"from shop import cost\n\ncost(4)\n"


def test_a_name_that_two_files_define_is_left_alone() -> None:
    base = {"shop.py": SHOP, "bar.py": b"def price(drink):\n    return drink\n"}
    ours = base | {"shop.py": SHOP.replace(b"price", b"cost")}
    theirs = base | {"new.py": b"from bar import price\n\nprice(4)\n"}
    merged = merge_tree(base, ours, theirs)
    assert merged.files["new.py"].content == b"from bar import price\n\nprice(4)\n"


def test_a_new_use_of_the_same_name_from_a_file_that_nobody_changed_is_left_alone() -> None:
    base = {"shop.py": SHOP}
    theirs = base | {"new.py": b"from bar import price\n\nprice(4)\n"}
    merged = merge_tree(base, {"shop.py": SHOP.replace(b"price", b"cost")}, theirs)
    assert merged.files["new.py"].content == b"from bar import price\n\nprice(4)\n"
    assert merged.findings == ()


def test_a_rename_in_source_and_header_reaches_a_new_use() -> None:
    base = {"shop.c": b"int price(int a)\n{\n\treturn a;\n}\n", "shop.h": b"int price(int a);\n"}
    ours = {path: text.replace(b"price", b"cost") for path, text in base.items()}
    theirs = base | {"new.c": b'#include "shop.h"\n\nint pay(void)\n{\n\treturn price(1);\n}\n'}
    merged = merge_tree(base, ours, theirs)
    assert merged.files["new.c"].content == theirs["new.c"].replace(b"price", b"cost")


def test_a_class_that_was_renamed_with_its_file_is_renamed_in_a_new_use() -> None:
    text = b"package a;\n\npublic class Price {\n    int x = 1;\n    int y = 2;\n}\n"
    new = b"package a;\n\nclass New {\n    Price price = new Price();\n}\n"
    merged = merge_tree(
        {"a/Price.java": text},
        {"a/Cost.java": text.replace(b"Price", b"Cost")},
        {"a/Price.java": text, "a/New.java": new},
    )
    assert sorted(merged.files) == ["a/Cost.java", "a/New.java"]
    assert merged.files["a/New.java"].content == new.replace(b"Price", b"Cost")


def test_what_happened_to_a_method_or_a_constant_is_reported_at_a_new_use_and_never_carried() -> None:
    text = b"LIMIT = 3\nOTHER = 4\n\n\nclass Shop:\n    def price(self, a):\n        return a\n"
    new = b"from shop import LIMIT, Shop\n\nShop().price(LIMIT)\n"
    ours = text.replace(b"LIMIT = 3\n", b"").replace(b"price", b"cost")
    merged = merge_tree({"shop.py": text}, {"shop.py": ours}, {"shop.py": text, "new.py": new})
    assert merged.files["new.py"].content == new
    assert [(finding.kind, finding.line) for finding in merged.findings] == [("deleted", 1), ("renamed", 3)]


def test_a_changed_signature_is_reported_at_a_new_use() -> None:
    base = {"shop.py": SHOP, "user.py": USER}
    ours = base | {"shop.py": SHOP.replace(b"price(item)", b"price(item, day)")}
    theirs = base | {"user.py": USER + b"\n\ndef tip():\n    return price(3)\n"}
    merged = merge_tree(base, ours, theirs)
    assert [(finding.kind, finding.path, finding.line) for finding in merged.findings] == [("signature", "user.py", 9)]
    assert "changed the parameters of function `price`" in merged.findings[0].message


def test_a_deleted_function_is_reported_at_a_new_use() -> None:
    base = {"shop.py": SHOP, "user.py": b"def pay():\n    return 1\n"}
    ours = base | {"shop.py": b"def other():\n    return 1\n"}
    theirs = base | {"user.py": b"from shop import price\n\n\ndef pay():\n    return price(1)\n"}
    merged = merge_tree(base, ours, theirs)
    assert [(finding.kind, finding.path) for finding in merged.findings] == [("deleted", "user.py")]


def test_an_edit_follows_a_function_that_moved_to_another_file() -> None:
    base = {"shop.py": SHOP, "tax.py": b"def rate():\n    return 1\n"}
    moved = SHOP.split(b"\n\n\n")[0]
    ours = {
        "shop.py": b"from tax import price\n\n\ndef other():\n    return price(1)\n",
        "tax.py": base["tax.py"] + b"\n\n" + moved + b"\n",
    }
    theirs = base | {"shop.py": SHOP.replace(b"tax = 2", b"tax = 3")}
    merged = merge_tree(base, ours, theirs)
    assert merged.clean
    assert b"tax = 3" in merged.files["tax.py"].content
    assert b"tax =" not in merged.files["shop.py"].content
    assert [(finding.kind, finding.path) for finding in merged.findings] == [("moved", "tax.py")]


def test_an_edit_follows_a_renamed_file() -> None:
    base = {"a.py": SHOP}
    merged = merge_tree(base, {"b.py": SHOP}, {"a.py": SHOP.replace(b"tax = 2", b"tax = 3")})
    assert list(merged.files) == ["b.py"]
    assert b"tax = 3" in merged.files["b.py"].content


def test_a_new_file_follows_the_rename_of_its_folder() -> None:
    base = {"old/a.py": SHOP, "old/b.py": USER}
    ours = {"new/a.py": SHOP, "new/b.py": USER}
    merged = merge_tree(base, ours, base | {"old/c.py": b"c = 1\n"})
    assert list(merged.files) == ["new/a.py", "new/b.py", "new/c.py"]
    assert [(finding.kind, finding.path) for finding in merged.findings] == [("renamed", "new/c.py")]


def test_deleting_a_file_that_the_other_side_changed_is_a_conflict() -> None:
    base = {"a.txt": b"1\n2\n"}
    merged = merge_tree(base, {}, {"a.txt": b"1\n3\n"})
    assert merged.files["a.txt"].content == b"1\n3\n"
    assert (merged.files["a.txt"].conflicts[0].ours, merged.files["a.txt"].conflicts[0].theirs) == (
        "deleted the file",
        "changed the file",
    )
    assert merge_tree(base, {}, base).files == {}


def test_the_same_file_added_twice_is_merged_without_a_base() -> None:
    merged = merge_tree({}, {"a.txt": b"1\n"}, {"a.txt": b"1\n"})
    assert merged.clean
    assert merged.files["a.txt"].content == b"1\n"


def test_merging_with_an_unchanged_tree_takes_the_other() -> None:
    base = {"a.py": SHOP, "b/c.py": USER}
    side = {"a.py": SHOP + b"\n", "d/c.py": USER, "e.py": b"x = 1\n"}
    for merged in (merge_tree(base, side, base), merge_tree(base, base, side)):
        assert {path: result.content for path, result in merged.files.items()} == side
        assert merged.findings == ()
