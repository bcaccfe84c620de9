"""A rename is carried to another file only into what is a use by the grammar, bound to the renamed definition."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bough_merge import merge_tree

SHOP = {"shop.py": "def price(item):\n    tax = 2\n    return item + tax\n\n\ndef other():\n    return price(1)\n"}
PACKAGE = {"pkg/shop.py": SHOP["shop.py"]}
SOURCES = {"src/pkg/shop.py": SHOP["shop.py"]}
SCRIPT = {"util.js": "export function load(a) {\n  return a + 1;\n}\n"}
HEADER = {
    "size.c": '#include "size.h"\n\nint size(void)\n{\n\treturn 4;\n}\n',
    "size.h": "int size(void);\n",
}
GO = {"shop/shop.go": "package shop\n\nfunc Price(a int) int {\n\treturn a\n}\n"}
RUST = {"src/util.rs": "pub fn get(a: u8) -> u8 {\n    a\n}\n"}
SHELL = {"util.sh": "clean() {\n  rm x\n}\n"}
RUBY = {"shop.rb": "def run\n  1\nend\n"}
KOTLIN = {"a/Shop.kt": "package a\n\nfun price(x: Int): Int {\n    return x\n}\n"}

# (the tree with the definition, its name and the new one, a file that theirs adds, its text)
LEFT = [
    (SHOP, ("price", "cost"), "README.md", "the shop has a fair price\n"),
    (SHOP, ("price", "cost"), "shop.json", '{"shop": {"price": 3}}\n'),
    (SHOP, ("price", "cost"), "a.sql", "select price from shop;\n"),
    (SHOP, ("price", "cost"), "index.html", "<p>shop price</p>\n"),
    (SHOP, ("price", "cost"), "k.py", "import shop\nshop.f(price=1)\n"),
    (SHOP, ("price", "cost"), "s.py", 'import shop\nx = "price"\n'),
    (SHOP, ("price", "cost"), "d.py", 'import shop\nd.price("k")\n'),
    (SHOP, ("price", "cost"), "d2.py", 'import shop\nd = {"price": 1}\nd["price"]\n'),
    (SHOP, ("price", "cost"), "c.py", "import shop\n# the price\n"),
    (SHOP, ("price", "cost"), "l.py", "import shop\ndef f(price):\n    return price\n"),
    (SHOP, ("price", "cost"), "l2.py", "import shop\nprice = 3\nprint(price)\n"),
    (SHOP, ("price", "cost"), "l3.py", "from shop import other as p\n\nclass A:\n    price = 1\n"),
    (SHOP, ("price", "cost"), "m.sh", "# shop\nmake price\n"),
    (SHOP, ("price", "cost"), "Makefile", "price: shop\n\tshop price\n"),
    (SHOP, ("price", "cost"), "p.js", "import shop from './shop';\nprice(1);\n"),
    (
        SHOP,
        ("price", "cost"),
        "q.py",
        "class A:\n    def price(self): pass\n    def q(self, shop): return self.price()\n",
    ),
    (SHOP, ("price", "cost"), "y.yml", "shop:\n  price: 3\n"),
    (SHOP, ("price", "cost"), "u.py", "from other.shop import price\nprice(1)\n"),
    (SHOP, ("price", "cost"), "u2.py", "from .sub.shop import price\nprice(1)\n"),
    (SHOP, ("price", "cost"), "u3.py", "import shop\nfor price in [1]:\n    print(price)\n"),
    (SHOP, ("price", "cost"), "u4.py", 'import shop\nf"x price"\n'),
    (SHOP, ("price", "cost"), "u5.py", 'import shop\n"""\nshop.price(1)\n"""\n'),
    (SCRIPT, ("load", "fetchAll"), "f.js", "addEventListener('load', () => {});\nwindow.load();\n"),
    (SCRIPT, ("load", "fetchAll"), "g.js", "import { load } from './other';\nload(1);\n"),
    (SCRIPT, ("load", "fetchAll"), "h.js", "import { load } from 'util';\nload(1);\n"),
    (
        HEADER,
        ("size(", "length("),
        "o.c",
        "/* the size */\nint f(struct a *p)\n{\n\tint size = p->size;\n\treturn size;\n}\n",
    ),
    (HEADER, ("size(", "length("), "o2.c", '#include "size.h"\nstruct b { int size; };\nstruct b x = { .size = 1 };\n'),
    (HEADER, ("size(", "length("), "o3.c", '#include "other.h"\nint f(void)\n{\n\treturn size();\n}\n'),
    (SHELL, ("clean", "wipe"), "a.sh", "make clean\necho clean\n"),
    (RUBY, ("run", "execute"), "a.rb", 'require_relative "shop"\ntask.run\n'),
]

# (…, its text with the rename)
CARRIED = [
    (
        SHOP,
        ("price", "cost"),
        "n.py",
        "from shop import price\nprice(1)\nx.price(price=price)\n",
        "from shop import cost\ncost(1)\nx.price(price=cost)\n",
    ),
    (
        SHOP,
        ("price", "cost"),
        "n2.py",
        'import shop\nshop.price(1)\n"shop.price"\n',
        'import shop\nshop.cost(1)\n"shop.price"\n',
    ),
    (
        SHOP,
        ("price", "cost"),
        "n3.py",
        "import shop as s\ns.price(1)\nshop.price(2)\n",
        "import shop as s\ns.cost(1)\nshop.price(2)\n",
    ),
    (SHOP, ("price", "cost"), "n4.py", "from shop import price as p\np(1)\n", "from shop import cost as p\np(1)\n"),
    (
        PACKAGE,
        ("price", "cost"),
        "pkg/a.py",
        "from .shop import price\nprice(1)\n",
        "from .shop import cost\ncost(1)\n",
    ),
    (
        PACKAGE,
        ("price", "cost"),
        "pkg/b.py",
        "from . import shop\nshop.price(1)\n",
        "from . import shop\nshop.cost(1)\n",
    ),
    (PACKAGE, ("price", "cost"), "c.py", "import pkg.shop\npkg.shop.price(1)\n", "import pkg.shop\npkg.shop.cost(1)\n"),
    (
        SOURCES,
        ("price", "cost"),
        "tests/c.py",
        "from pkg.shop import price\nassert price(1)\n",
        "from pkg.shop import cost\nassert cost(1)\n",
    ),
    (
        SHOP,
        ("price", "cost"),
        "n5.py",
        "from shop import price\n\ndef f(price):\n    return price\n\nf(price)\n",
        "from shop import cost\n\ndef f(price):\n    return price\n\nf(cost)\n",
    ),
    (
        SCRIPT,
        ("load", "fetchAll"),
        "a.js",
        "import { load } from './util';\naddEventListener('load', load);\nx.load();\ny = { load, load: 1 };\n",
        "import { fetchAll } from './util';\naddEventListener('load', fetchAll);\n"
        "x.load();\ny = { load: fetchAll, load: 1 };\n",
    ),
    (
        SCRIPT,
        ("load", "fetchAll"),
        "lib/b.ts",
        "import * as util from '../util';\nutil.load(1);\nother.load(2);\n",
        "import * as util from '../util';\nutil.fetchAll(1);\nother.load(2);\n",
    ),
    (
        SCRIPT,
        ("load", "fetchAll"),
        "c.js",
        "const { load } = require('./util');\nload(1);\n",
        "const { fetchAll } = require('./util');\nfetchAll(1);\n",
    ),
    (
        SCRIPT,
        ("load", "fetchAll"),
        "d.js",
        "const u = require('./util');\nu.load(1);\n",
        "const u = require('./util');\nu.fetchAll(1);\n",
    ),
    (
        SCRIPT,
        ("load", "fetchAll"),
        "e.js",
        "export { load } from './util';\n",
        "export { fetchAll as load } from './util';\n",
    ),
    (
        HEADER,
        ("size(", "length("),
        "n.c",
        '#include "size.h"\n/* the size */\nint f(struct a *p)\n{\n\treturn p->size + p->b.size + size();\n}\n',
        '#include "size.h"\n/* the size */\nint f(struct a *p)\n{\n\treturn p->size + p->b.size + length();\n}\n',
    ),
    (
        GO,
        ("Price", "Cost"),
        "shop/n.go",
        "package shop\n\nfunc f() int {\n\tx := T{Price: 1}\n\treturn Price(1) + x.Price\n}\n",
        "package shop\n\nfunc f() int {\n\tx := T{Price: 1}\n\treturn Cost(1) + x.Price\n}\n",
    ),
    (
        GO,
        ("Price", "Cost"),
        "m/n.go",
        'package m\n\nimport "x.com/shop"\n\nfunc f() int {\n\treturn shop.Price(1) + o.Price\n}\n',
        'package m\n\nimport "x.com/shop"\n\nfunc f() int {\n\treturn shop.Cost(1) + o.Price\n}\n',
    ),
    (
        RUST,
        ("get", "fetch"),
        "src/a.rs",
        'use crate::util::get;\n\nfn f(m: Map) {\n    m.get("get", get(1));\n    let x = S { get };\n}\n',
        'use crate::util::fetch;\n\nfn f(m: Map) {\n    m.get("get", fetch(1));\n    let x = S { get: fetch };\n}\n',
    ),
    (
        RUST,
        ("get", "fetch"),
        "src/b.rs",
        "use crate::util;\n\nfn f() {\n    util::get(1);\n    other::get(2);\n}\n",
        "use crate::util;\n\nfn f() {\n    util::fetch(1);\n    other::get(2);\n}\n",
    ),
    (SHELL, ("clean", "wipe"), "b.sh", ". ./util.sh\nclean\nmake clean\n", ". ./util.sh\nwipe\nmake clean\n"),
    (
        KOTLIN,
        ("price", "cost"),
        "b/N.kt",
        "package b\n\nimport a.price\n\nfun f() {\n    price(1)\n    x.price()\n    g(price = 1)\n}\n",
        "package b\n\nimport a.cost\n\nfun f() {\n    cost(1)\n    x.price()\n    g(price = 1)\n}\n",
    ),
]

Tree = dict[str, str]


def _merged(base: Tree, ours: Tree, theirs: Tree, path: str) -> tuple[str, list[str]]:
    trees = [{name: text.encode() for name, text in tree.items()} for tree in (base, ours, theirs)]
    merged = merge_tree(trees[0], trees[1], trees[2])
    assert merged.clean
    return merged.files[path].content.decode(), [finding.message for finding in merged.findings]


def _renamed(tree: Tree, name: str, now: str) -> Tree:
    return {path: text.replace(name, now) for path, text in tree.items()}


@pytest.mark.parametrize(("home", "names", "path", "text"), LEFT)
def test_what_only_says_the_name_is_left_alone(home: Tree, names: tuple[str, str], path: str, text: str) -> None:
    merged, findings = _merged(home, _renamed(home, *names), home | {path: text}, path)
    assert merged == text
    assert not any("was renamed with it" in finding for finding in findings)


@pytest.mark.parametrize(("home", "names", "path", "text", "wanted"), CARRIED)
def test_a_use_that_is_bound_to_the_definition_is_renamed(
    home: Tree, names: tuple[str, str], path: str, text: str, wanted: str
) -> None:
    merged, findings = _merged(home, _renamed(home, *names), home | {path: text}, path)
    assert merged == wanted
    assert [finding.rpartition("; ")[2] for finding in findings] == ["the new use here was renamed with it"]


def test_the_file_of_the_definition_is_no_exception() -> None:
    base = {"util.py": "def get(x):\n    return x\n\n\nget(1)\n"}
    added = '\n\ndef k(d):\n    return d.get("get", get(2), get=3)  # get\n'
    ours, theirs = _renamed(base, "get", "fetch"), {"util.py": base["util.py"] + added}
    merged, _ = _merged(base, ours, theirs, "util.py")
    assert merged == ours["util.py"] + added.replace("get(2)", "fetch(2)")


def test_a_use_whose_import_nobody_can_follow_is_reported() -> None:
    text = "from shop import *\n\nprice(1)\n"
    merged, findings = _merged(SHOP, _renamed(SHOP, "price", "cost"), SHOP | {"new.py": text}, "new.py")
    assert merged == text
    assert findings == [
        "ours renamed function `price` in shop.py to `cost`; the new use here may refer to it, and was left unchanged"
    ]


@pytest.mark.parametrize("taken", ["def f(cost):\n    return price(cost)\n", "cost = 1\nprice(cost)\n"])
def test_a_use_is_left_where_the_new_name_means_something_else(taken: str) -> None:
    text = f"from shop import price\n\n{taken}"
    merged, findings = _merged(SHOP, _renamed(SHOP, "price", "cost"), SHOP | {"new.py": text}, "new.py")
    assert merged == text
    assert len(findings) == 1


def test_a_name_that_stays_for_older_code_is_used_as_it_is() -> None:
    ours = {"shop.py": SHOP["shop.py"].replace("price", "cost") + "\n\nprice = cost\n"}
    text = "from shop import price\n\nprice(1)\n"
    assert _merged(SHOP, ours, SHOP | {"new.py": text}, "new.py") == (text, [])


REPLACED = "import json\n\n\ndef to_json(x):\n    y = dict(x)\n    return json.dumps(y)\n"
NEW_USE = "from conv import to_json\n\nto_json(3)\n"


@pytest.mark.parametrize("user", [None, "from conv import to_json\n\nto_json(1)\n"])
def test_a_function_that_took_the_place_of_another_is_not_its_new_name(user: str | None) -> None:
    base = {"conv.py": REPLACED} | ({} if user is None else {"user.py": user})
    ours = {"conv.py": _renamed(_renamed(base, "json", "yaml"), "dumps", "dump")["conv.py"]}
    ours |= {} if user is None else {"user.py": "x = 1\n"}
    merged, findings = _merged(base, ours, base | {"new.py": NEW_USE}, "new.py")
    assert merged == NEW_USE
    assert [finding[:28] for finding in findings] == ["ours deleted function `to_js"]


def test_a_function_whose_uses_followed_is_renamed_though_its_body_changed() -> None:
    base = {"conv.py": REPLACED, "user.py": NEW_USE}
    ours = _renamed(base, "to_json", "to_text")
    ours["conv.py"] = ours["conv.py"].replace("dict(x)", "dict(x, sort=True)")
    merged, _ = _merged(base, ours, base | {"new.py": NEW_USE}, "new.py")
    assert merged == NEW_USE.replace("to_json", "to_text")


def test_two_branches_of_a_repository_merge_with_the_rename(tmp_path: Path) -> None:
    def git(*arguments: str) -> bytes:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout

    def commit(branch: str, files: Tree) -> None:
        git("switch", "-q", "-C", branch, *(["main"] if branch != "main" else []))
        for path, text in files.items():
            (tmp_path / path).write_text(text)
        git("add", "-A")
        git("commit", "-qm", branch)

    def tree(branch: str) -> dict[str, bytes]:
        paths = git("ls-tree", "-r", "--name-only", "-z", branch).decode().split("\0")[:-1]
        return {path: git("show", f"{branch}:{path}") for path in paths}

    git("init", "-q", "-b", "main")
    commit("main", SHOP | {"README.md": "A shop.\n"})
    commit("alice", _renamed(SHOP, "price", "cost"))
    code = "import shop\n\nshop.price(1)\nlabel = {'price': shop.price}\n"
    commit("bob", {"till of Jörg.py": code, "README.md": "A shop.\nAt a fair price.\n"})
    merged = merge_tree(tree("main"), tree("alice"), tree("bob"))
    assert merged.files["README.md"].content == b"A shop.\nAt a fair price.\n"
    assert merged.files["till of Jörg.py"].content.decode() == code.replace("shop.price", "shop.cost")
