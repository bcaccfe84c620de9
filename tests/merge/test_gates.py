"""What a clean merge must not do, each with the smallest merge that would do it by lines."""

from __future__ import annotations

import pytest
from bough_merge import Method, merge_file


def test_a_key_stated_on_both_sides_with_two_values_is_one_dispute() -> None:
    base = b'{\n  "a": 1,\n  "m": 2,\n  "n": 3,\n  "z": 4\n}\n'
    ours = base.replace(b'  "a"', b'  "k": 5,\n  "a"')
    theirs = base.replace(b'"z": 4', b'"z": 4,\n  "k": 6')
    merged = merge_file(base, ours, theirs, "a.json")
    assert [(conflict.ours, conflict.theirs) for conflict in merged.conflicts] == [
        ('added pair `"k"`', 'added pair `"k"`')
    ]


def test_a_definition_added_twice_is_stated_once() -> None:
    base = b"def a():\n    return 1\n\n\ndef b():\n    return 2\n"
    new = b"def c():\n    return 3\n\n\n"
    merged = merge_file(base, new + base, base + b"\n\n" + new.rstrip() + b"\n", "a.py")
    assert merged.clean
    assert merged.content.count(b"def c():") == 1


@pytest.mark.parametrize(
    ("path", "base", "theirs", "name"),
    [
        ("a.py", b"%s = 1\n\n\ndef f():\n    return 2\n", b"%s = 1\n\n\ndef f():\n    return 2 + %s\n", b"limit"),
        (
            "a.js",
            b"const %s = 1;\n\nfunction f() {\n  return 2;\n}\n",
            b"const %s = 1;\n\nfunction f() {\n  return 2 + %s;\n}\n",
            b"limit",
        ),
        (
            "a.go",
            b"package a\n\nconst %s = 1\n\nfunc f() int {\n\treturn 2\n}\n",
            b"package a\n\nconst %s = 1\n\nfunc f() int {\n\treturn 2 + %s\n}\n",
            b"limit",
        ),
    ],
)
def test_what_one_side_dropped_and_the_other_uses_is_no_clean_merge(
    path: str, base: bytes, theirs: bytes, name: bytes
) -> None:
    base, theirs = base.replace(b"%s", name), theirs.replace(b"%s", name)
    dropped = b"\n".join(line for line in base.split(b"\n") if name not in line)
    merged = merge_file(base, dropped, theirs, path)
    assert not merged.clean
    assert "`limit` is used here and no longer defined" in merged.conflicts[0].reason


def test_a_name_in_another_functions_scope_does_not_answer() -> None:
    base = b"def f():\n    size = 1\n    one()\n    two()\n\n\ndef g():\n    size = 2\n    return size\n"
    ours = base.replace(b"    size = 1\n", b"")
    theirs = base.replace(b"    two()\n", b"    two()\n    return size\n")
    merged = merge_file(base, ours, theirs, "a.py")
    assert not merged.clean


def test_an_import_that_the_other_side_needs_stays() -> None:
    base = b"import os\nimport re\n\n\ndef f():\n    return os.name\n"
    ours = b"import re\n\n\ndef f():\n    return re.I\n"
    merged = merge_file(base, ours, base + b"\n\ndef g():\n    return os.sep\n", "a.py")
    assert merged.clean
    assert merged.content.startswith(b"import os\nimport re\n")
    assert [finding.kind for finding in merged.findings] == ["needed"]


def test_a_renamed_variable_is_renamed_in_the_other_sides_new_line() -> None:
    base = b"def f(items):\n    found = []\n    for item in items:\n        found.append(item)\n\n    return found\n"
    theirs = base.replace(b"    return", b"    print(found)\n    return")
    merged = merge_file(base, base.replace(b"found", b"kept"), theirs, "a.py")
    assert merged.content == theirs.replace(b"found", b"kept")
    assert [finding.kind for finding in merged.findings] == ["renamed"]


def test_a_merge_that_no_longer_parses_is_a_dispute() -> None:
    base = b"a = [\n    1,\n    2,\n]\n"
    merged = merge_file(base, b"a = [\n    1,\n    2,\n    3,\n]\n", b"a = (\n    1,\n    2,\n)\n", "a.py")
    assert not merged.clean


def test_a_lock_file_is_made_anew() -> None:
    merged = merge_file(b'{"a": 1}\n', b'{"a": 2}\n', b'{"a": 1, "b": 2}\n', "web/package-lock.json")
    assert merged.method is Method.GENERATED
    assert "npm install --package-lock-only" in merged.conflicts[0].reason


def test_conflicts_say_what_each_side_did() -> None:
    base = b"def f(a):\n    return a\n\n\ndef g(a):\n    return a + 1\n"
    ours = b"def g(a):\n    return a + 1\n"
    merged = merge_file(base, ours, base.replace(b"return a\n", b"return a * 2\n"), "a.py")
    assert [(conflict.ours, conflict.theirs) for conflict in merged.conflicts] == [
        ("removed function `f`", "changed function `f`")
    ]


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "wanted"),
    [
        (b"^1.2.0", b"^1.4.0", b"^1.10.0", b"^1.10.0"),
        (b"^0.2.0", b"^0.3.0", b"^0.4.0", None),
        (b"^1.2.0", b"^2.0.0", b"^1.4.0", None),
        (b"~1.2.0", b"~1.2.3", b"~1.2.9", b"~1.2.9"),
        (b"1.2.0", b"1.3.0", b"1.4.0", None),
        (b">=1.2", b">=1.3", b">=2.0", b">=2.0"),
        (b"^1.4.0", b"^1.2.0", b"^1.5.0", None),
        (b"^3.0.0-alpha.1", b"^3.0.0-alpha.2", b"^3.0.0-alpha.10", b"^3.0.0-alpha.10"),
    ],
)
def test_two_ranges_have_the_higher_one_in_common_or_nothing(
    base: bytes, ours: bytes, theirs: bytes, wanted: bytes | None
) -> None:
    file = b'{\n  "dependencies": {\n    "a": "%s"\n  }\n}\n'
    merged = merge_file(file % base, file % ours, file % theirs, "package.json")
    assert merged.clean == (wanted is not None)
    if wanted is not None:
        assert merged.content == file % wanted


def test_a_function_that_is_cut_in_two_takes_no_names_along() -> None:
    base = b"def f(items):\n    size = 1\n    one(items)\n    two(items)\n    three(items)\n    four(items)\n"
    ours = base.replace(b"    two(items)\n", b"    two(items)\n\n\ndef g(items):\n")
    theirs = base.replace(b"    four(items)\n", b"    four(items)\n    return size\n")
    merged = merge_file(base, ours, theirs, "a.py")
    assert not merged.clean
    assert "`size` is used here and no longer defined" in merged.conflicts[0].reason


def test_a_name_of_a_class_body_is_not_seen_in_its_methods() -> None:
    base = b"def dep():\n    return 1\n\n\nclass A:\n    def a(self):\n        return 2\n"
    ours = b"class A:\n    def dep():\n        return 1\n\n    def a(self):\n        return 2\n"
    merged = merge_file(base, ours, base.replace(b"return 2", b"return dep()"), "a.py")
    assert not merged.clean


def test_a_macro_does_not_mix_with_includes() -> None:
    base = b'#include "a.h"\n#include "b.h"\n\nint x;\n'
    ours = b'#define A 1\n#include "a.h"\n#include "b.h"\n\nint x;\n'
    merged = merge_file(base, ours, b'#include "c.h"\n' + base, "a.c")
    assert not merged.clean


def test_deleted_code_takes_a_reworded_comment_along() -> None:
    base = b"def f():\n    # tpyo\n    return 1\n\n\ndef g():\n    return 2\n"
    merged = merge_file(base, b"def g():\n    return 2\n", base.replace(b"tpyo", b"typo"), "a.py")
    assert merged.content == b"def g():\n    return 2\n"


def test_a_key_that_one_side_dropped_does_not_come_back() -> None:
    base = b'{\n  "e": 1,\n  "b": 2\n}\n'
    theirs = b'{\n  "b": 2,\n  "c": 3,\n  "e": 1,\n  "a": 4\n}\n'
    merged = merge_file(base, b'{\n  "e": 1,\n  "a": 4\n}\n', theirs, "a.json")
    assert b'"b"' not in merged.content or not merged.clean


def test_two_keys_that_each_took_the_place_of_one_are_a_dispute() -> None:
    base = b'{\n  "one": 1,\n  "z": 9\n}\n'
    merged = merge_file(base, base.replace(b'"one": 1', b'"two": 2'), base.replace(b'"one": 1', b'"six": 6'), "a.json")
    assert not merged.clean
