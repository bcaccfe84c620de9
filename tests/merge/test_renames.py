"""Renames within one file: what is carried is a use by the grammar, and what replaced a name is no rename of it."""

from __future__ import annotations

import pytest
from bough_merge import merge_file

PYTHON = """class Shop:
    def __init__(self):
        self.size = 1

    def one(self):
        return self.size


def other():
    return 1
"""
SCRIPT = """class Shop {
  constructor() {
    this.size = 1;
  }

  one() {
    return this.size;
  }
}
"""
RUBY = "class Shop\n  def initialize\n    @size = 1\n  end\n\n  def one\n    @size\n  end\nend\n"
CPP = "class Shop {\npublic:\n  int one() {\n    return this->size;\n  }\n  int size = 1;\n};\n"
PHP = "<?php\nclass Shop {\n    private $size = 1;\n    function one() {\n        return $this->size;\n    }\n}\n"

# (path, base, a member that ours renames to `length`, what theirs adds at the end, what it is in the result)
MEMBERS = [
    ("a.py", PYTHON, "\n\nclass Big(Shop):\n    def two(self):\n        return self.size\n", "self.length"),
    (
        "a.py",
        PYTHON,
        "\n\nclass Car:\n    def __init__(self):\n        self.size = 2\n        f(self.size)\n",
        "self.size",
    ),
    (
        "a.py",
        PYTHON,
        '\n\ndef doc():\n    """Uses self.size."""\n    # self.size\n    return "self.size"\n',
        "self.size",
    ),
    ("a.py", PYTHON, "\n\nclass Mixin:\n    def two(self):\n        return self.size\n", "self.size"),
    ("a.js", SCRIPT, "\n// this.size\nconst doc = 'this.size';\n", "this.size"),
    ("a.js", SCRIPT, "\nclass Car {\n  constructor() {\n    this.size = 2;\n    f(this.size);\n  }\n}\n", "this.size"),
    ("a.js", SCRIPT, "\nclass Big extends Shop {\n  two() {\n    return { size: this.size };\n  }\n}\n", "this.length"),
    ("a.rb", RUBY, "\nclass Car\n  def initialize\n    @size = 2\n    f(@size)\n  end\nend\n", "@size"),
    ("a.rb", RUBY, "\nclass Big < Shop\n  def two\n    @size # the size\n  end\nend\n", "@length"),
    ("a.cpp", CPP, "\nclass Car {\n  int two() {\n    return this->size;\n  }\n  int size = 2;\n};\n", "this->size"),
    (
        "a.php",
        PHP,
        "class Big extends Shop {\n    function two() {\n        return $this->size;\n    }\n}\n",
        "this->length",
    ),
]

# (path, base with a variable `found`, what theirs adds before its last use, what that is with the name `kept`)
BLOCK = "    {0}found = 1{1}\n    log(found){1}\n    a(){1}\n    b(){1}\n"
VARIABLES = [
    (
        "a.py",
        "def f():\n" + BLOCK.format("", "") + "    return found\n",
        '    send(found=found, x="found", y=a.found, z={"found": found})  # found\n',
        '    send(found=kept, x="found", y=a.found, z={"found": kept})  # found\n',
    ),
    (
        "a.js",
        "function f() {\n" + BLOCK.format("let ", ";") + "    return found;\n}\n",
        "    send({ found, found: 1, x: found.found }, 'found');\n",
        "    send({ found: kept, found: 1, x: kept.found }, 'found');\n",
    ),
    (
        "a.rs",
        "fn f() -> u8 {\n" + BLOCK.format("let ", ";") + "    return found;\n}\n",
        '    send(S { found, x: found }, a.found, "found");\n',
        '    send(S { found: kept, x: kept }, a.found, "found");\n',
    ),
    (
        "a.go",
        "package a\n\nfunc f() int {\n"
        + BLOCK.format("", "").replace("found = 1", "found := 1")
        + "    return found\n}\n",
        "    send(T{found: 1, x: found}, o.found)\n",
        "    send(T{found: 1, x: kept}, o.found)\n",
    ),
    (
        "a.cs",
        "class A {\nint F() {\n" + BLOCK.format("var ", ";") + "    return found;\n}\n}\n",
        "    Send(new { found, y = found }, found: found);\n",
        "    Send(new { found = kept, y = kept }, found: kept);\n",
    ),
    (
        "a.kt",
        "fun f(): Int {\n" + BLOCK.format("val ", "") + "    return found\n}\n",
        '    send(found = found, x.found, "found")\n',
        '    send(found = kept, x.found, "found")\n',
    ),
    (
        "a.swift",
        "func f() -> Int {\n" + BLOCK.format("let ", "") + "    return found\n}\n",
        '    send(found: found, x.found, "found")\n',
        '    send(found: kept, x.found, "found")\n',
    ),
    (
        "a.scala",
        "object A {\ndef f() = {\n" + BLOCK.format("val ", "") + "    return found\n}\n}\n",
        "    send(found = found)\n",
        "    send(found = kept)\n",
    ),
]

# (path, a function, the body's call, a new use in another function)
FUNCTIONS = [
    ("a.py", "def pack(x):\n    y = dict(x)\n    return dump(y)\n", "\n\ndef third():\n    return pack(3)\n"),
    (
        "a.go",
        "package a\n\nfunc pack(x int) int {\n\treturn dump(x)\n}\n",
        "\nfunc third() int {\n\treturn pack(3)\n}\n",
    ),
    ("a.js", "function pack(x) {\n  return dump(x);\n}\n", "\nfunction third() {\n  return pack(3);\n}\n"),
    ("a.rs", "fn pack(x: u8) -> u8 {\n    dump(x)\n}\n", "\nfn third() -> u8 {\n    pack(3)\n}\n"),
    ("a.c", "int pack(int x)\n{\n\treturn dump(x);\n}\n", "\nint third(void)\n{\n\treturn pack(3);\n}\n"),
]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("path", "base", "added", "wanted"), MEMBERS)
def test_a_member_is_renamed_in_the_code_of_its_own_class_only(
    path: str, base: str, added: str, wanted: str, swapped: bool
) -> None:
    ours, theirs = base.replace("size", "length"), base + added
    sides = (theirs, ours) if swapped else (ours, theirs)
    merged = merge_file(base.encode(), sides[0].encode(), sides[1].encode(), path)
    assert merged.clean
    owner = wanted.replace("length", "size")
    assert merged.content.decode() == ours + added.replace(owner, wanted)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("path", "base", "added", "wanted"), VARIABLES)
def test_a_variable_is_renamed_and_keys_arguments_members_and_strings_stay(
    path: str, base: str, added: str, wanted: str, swapped: bool
) -> None:
    ours = base.replace("found", "kept")
    theirs = base.replace("    return found", added + "    return found")
    sides = (theirs, ours) if swapped else (ours, theirs)
    merged = merge_file(base.encode(), sides[0].encode(), sides[1].encode(), path)
    assert merged.clean
    assert merged.content.decode() == ours.replace("    return kept", wanted + "    return kept")


@pytest.mark.parametrize(("path", "text", "use"), FUNCTIONS)
def test_a_function_is_renamed_where_its_body_says_so(path: str, text: str, use: str) -> None:
    ours = text.replace("pack", "wrap")
    merged = merge_file(text.encode(), ours.encode(), (text + use).encode(), path)
    assert merged.content.decode() == ours + use.replace("pack", "wrap")


@pytest.mark.parametrize(("path", "text", "use"), FUNCTIONS)
def test_a_function_that_took_the_place_of_another_is_another_one(path: str, text: str, use: str) -> None:
    ours = text.replace("pack", "wrap").replace("dump", "yaml_dump")
    merged = merge_file(text.encode(), ours.encode(), (text + use).encode(), path)
    assert [conflict.reason for conflict in merged.conflicts] == ["`pack` is used here and no longer defined"]
