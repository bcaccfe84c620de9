"""Definitions with decorators, templates, annotations or an export around them merge as bare ones do."""

from __future__ import annotations

import pytest
from bough_merge import merge_file, merge_tree

# (path, what stands before the body, one line of the body, what ends it)
KINDS = [
    ("a.py", "@pytest.fixture\ndef shop():\n", "    {0} = {1}\n", ""),
    ("a.py", "# why\n@app.get('/a')\n@auth\nasync def shop(x):\n", "    {0} = {1}\n", ""),
    ("a.py", "@dataclass\nclass Shop:\n", "    {0}: int = {1}\n", ""),
    ("a.py", "class A:\n    @property\n    def shop(self):\n", "        {0} = {1}\n", ""),
    ("a.cpp", "template <typename T>\nT shop(T x) {\n", "    int {0} = {1};\n", "}\n"),
    ("a.cpp", "template <>\nstruct hash<Shop> {\n", "    int {0} = {1};\n", "};\n"),
    ("a.cpp", "[[nodiscard]] int shop(int x) {\n", "    int {0} = {1};\n", "}\n"),
    ("a.java", "class A {\n    @Test\n    void shop() {\n", "        int {0} = {1};\n", "    }\n}\n"),
    ("a.kt", "@Test\nfun shop() {\n", "    val {0} = {1}\n", "}\n"),
    ("a.ts", "export function shop() {\n", "    let {0} = {1};\n", "}\n"),
    ("a.ts", "@Component({selector: 'a'})\nexport class Shop {\n", "    {0} = {1};\n", "}\n"),
    ("a.ts", "export default abstract class Shop {\n", "    {0} = {1};\n", "}\n"),
    ("a.js", "@decorated\nexport default class Shop {\n", "    {0} = {1};\n", "}\n"),
    ("a.rs", "#[test]\n#[should_panic]\nfn shop() {\n", "    let {0} = {1};\n", "}\n"),
    ("a.rs", "#[derive(Debug)]\npub struct Shop {\n", "    {0}: [u8; {1}],\n", "}\n"),
    ("a.cs", "class A {\n    [Test]\n    void Shop() {\n", "        int {0} = {1};\n", "    }\n}\n"),
    ("a.php", "<?php\n#[Route('/a')]\nfunction shop() {\n", "    ${0} = {1};\n", "}\n"),
    ("a.swift", "@objc\nfunc shop() {\n", "    let {0} = {1}\n", "}\n"),
    ("a.scala", "@tailrec\ndef shop(x: Int): Int = {\n", "  val {0} = {1}\n", "}\n"),
    ("a.dart", "class A {\n  @override\n  void shop() {\n", "    var {0} = {1};\n", "  }\n}\n"),
    ("a.rb", "class A\n  memoize def shop\n", "    {0} = {1}\n", "  end\nend\n"),
    ("a.ex", "defmodule A do\n  @doc 'x'\n  def shop do\n", "    {0} = {1}\n", "  end\nend\n"),
]
# (path, a definition, another of the same name, whether both may be there)
TWINS = [
    ("a.py", "@get('/a')\ndef n():\n    one()\n", "@get('/b')\ndef n():\n    two()\n", False),
    ("a.py", "@cache\ndef n():\n    one()\n", "def n():\n    two()\n", False),
    ("a.py", "@dataclass\nclass N:\n    a = 1\n", "@dataclass\nclass N:\n    b = 1\n", False),
    ("a.py", "@given('x')\ndef _():\n    one()\n", "@given('x')\ndef _():\n    two()\n", False),
    ("a.py", "@given('x')\ndef _():\n    one()\n", "@given('y')\ndef _():\n    two()\n", True),
    ("a.py", "@overload\ndef n(a: int): ...\n", "@typing.overload\ndef n(a: str): ...\n", True),
    ("a.py", "@f.register\ndef n(a: int):\n    one()\n", "@f.register\ndef n(a: str):\n    two()\n", True),
    ("a.cpp", "template <class T>\nT n(T x) { return x; }\n", "template <class T>\nT n(T x) { return 1; }\n", False),
    (
        "a.cpp",
        "template <class T>\nT n(T x) { return x; }\n",
        "template <class T>\nT n(T x, T y) { return x; }\n",
        True,
    ),
    ("a.cpp", "template <>\nstruct H<A> { int a; };\n", "template <>\nstruct H<B> { int a; };\n", True),
    ("a.ts", "@C({a: 1})\nexport class N {\n  a = 1;\n}\n", "export class N {\n  b = 1;\n}\n", False),
    ("a.rs", "#[test]\nfn n() {\n    a();\n}\n", "#[ignore]\nfn n() {\n    b();\n}\n", False),
    ("a.kt", "@Test\nfun n() {\n    a()\n}\n", "@Ignore\nfun n() {\n    b()\n}\n", False),
    ("a.swift", "@objc\nfunc n() {\n    a()\n}\n", "@IBAction\nfunc n() {\n    b()\n}\n", False),
    ("a.php", "#[A]\nfunction n() {\n  a();\n}\n", "#[B]\nfunction n() {\n  b();\n}\n", False),
]
FILLER = {
    "a.py": ["def f1():\n    pass\n", "def f2():\n    pass\n"],
    "a.cpp": ["int f1() { return 1; }\n", "int f2() { return 2; }\n"],
    "a.ts": ["export function f1() {\n}\n", "export function f2() {\n}\n"],
    "a.rs": ["fn f1() {\n}\n", "fn f2() {\n}\n"],
    "a.kt": ["fun f1() {\n}\n", "fun f2() {\n}\n"],
    "a.swift": ["func f1() {\n}\n", "func f2() {\n}\n"],
    "a.php": ["<?php\nfunction f1() {\n}\n", "function f2() {\n}\n"],
}


@pytest.mark.parametrize(("path", "head", "line", "end"), KINDS)
def test_far_edits_of_one_definition_merge(path: str, head: str, line: str, end: str) -> None:
    def written(first: int, last: int) -> bytes:
        values = zip("abcde", (first, 2, 3, 4, last), strict=True)
        return (head + "".join(line.format(name, value) for name, value in values) + end).encode()

    merged = merge_file(written(1, 5), written(11, 5), written(1, 55), path)
    assert merged.content == written(11, 55)
    assert merged.clean


@pytest.mark.parametrize(("path", "one", "other", "may"), TWINS)
def test_two_of_one_name_in_two_places_are_refused_unless_something_tells_them_apart(
    path: str, one: str, other: str, may: bool
) -> None:
    first, second = FILLER[path]
    base = "\n".join([first, second])
    ours = "\n".join([first, one, second])
    theirs = "\n".join([first, second, other])
    merged = merge_file(base.encode(), ours.encode(), theirs.encode(), path)
    assert merged.clean == may
    if may:
        assert merged.content.decode() == "\n".join([first, one, second, other])


ROUTE = b"@app.get('/price')\ndef price(item):\n    return item + 1\n"
USER = b"from shop import price\n\n\ndef pay():\n    return price(1)\n"


def test_the_parameters_of_a_decorated_function_are_followed() -> None:
    base = {"shop.py": ROUTE, "user.py": USER}
    ours = base | {"shop.py": ROUTE.replace(b"(item)", b"(item, day)")}
    theirs = base | {"user.py": USER + b"\n\ndef tip():\n    return price(3)\n"}
    merged = merge_tree(base, ours, theirs)
    assert [finding.message for finding in merged.findings] == [
        "ours changed the parameters of function `price` in shop.py, and this new use still needs it"
    ]


def test_the_rename_of_a_decorated_function_is_followed() -> None:
    base = {"shop.py": ROUTE, "user.py": USER}
    ours = {"shop.py": ROUTE.replace(b"def price", b"def cost"), "user.py": USER.replace(b"price", b"cost")}
    theirs = base | {"user.py": USER + b"\n\ndef tip():\n    return price(3)\n"}
    merged = merge_tree(base, ours, theirs)
    assert merged.clean
    assert b"return cost(3)" in merged.files["user.py"].content


def test_what_happened_to_the_method_of_a_decorated_class_is_reported() -> None:
    text = b"@dataclass\nclass Shop:\n    a: int = 1\n\n    def price(self, a):\n        return a\n"
    new = b"from shop import Shop\n\nShop().price(1)\n"
    merged = merge_tree(
        {"shop.py": text}, {"shop.py": text.replace(b"price", b"cost")}, {"shop.py": text, "new.py": new}
    )
    assert [(finding.kind, finding.line) for finding in merged.findings] == [("renamed", 3)]


def test_the_reason_of_a_conflict_names_the_definition_and_not_its_text() -> None:
    base = b"@x\ndef shop():\n    a = 1\n    return a\n"
    ours, theirs = base.replace(b"a = 1", b"a = 2"), base.replace(b"a = 1", b"a = 3")
    [conflict] = merge_file(base, ours, theirs, "a.py").conflicts
    assert conflict.where == "shop.a"
