"""Names that a merge may cut loose, in every language in which they are followed."""

from __future__ import annotations

import pytest
from bough_merge import merge_file

# (path, an import or definition, another one, code that needs neither, code that needs the first; whether it can stay)
NEEDED = [
    (
        "a.ts",
        "import {Os} from 'a';\n",
        "import {Re} from 'b';\n",
        "const x = 1;\n",
        "function g(a: Os) {\n}\n",
        True,
    ),
    (
        "A.java",
        "import a.Os;\n",
        "import b.Re;\n",
        "class A {\n}\n",
        "class B {\n    Os y = new Os();\n}\n",
        True,
    ),
    (
        "a.kt",
        "import a.Os\n",
        "import b.Re\n",
        "class A {\n}\n",
        "class B {\n    val y = Os()\n}\n",
        True,
    ),
    (
        "a.scala",
        "import a.Os\n",
        "import b.Re\n",
        "class A {\n}\n",
        "class B {\n  val y = new Os()\n}\n",
        True,
    ),
    (
        "a.rs",
        "use a::Os;\n",
        "use b::Re;\n",
        "fn f() {\n}\n",
        "fn g() -> Os {\n    Os::new()\n}\n",
        True,
    ),
    (
        "a.cs",
        "using Os = A.Os;\n",
        "using Re = B.Re;\n",
        "class A {\n}\n",
        "class B {\n    Os y = new Os();\n}\n",
        True,
    ),
    (
        "a.php",
        "<?php\nuse A\\Os;\n",
        "use B\\Re;\n",
        "class A {\n}\n",
        "class B {\n    public Os $y;\n}\n",
        True,
    ),
    (
        "a.lua",
        "local os = require 'os'\n",
        "local re = require 're'\n",
        "x = 1\n",
        "function g()\n  return os.x\nend\n",
        True,
    ),
    (
        "a.c",
        "#define OS 1\n",
        "#define RE 2\n",
        "int x;\n",
        "int g(void)\n{\n\treturn OS;\n}\n",
        False,
    ),
    (
        "a.swift",
        "func os() {\n}\n",
        "func re() {\n}\n",
        "let x = 1\n",
        "func g() {\n    os()\n}\n",
        False,
    ),
    (
        "a.dart",
        "int os() {\n}\n",
        "int re() {\n}\n",
        "int x = 1;\n",
        "int g() {\n  return os();\n}\n",
        False,
    ),
    (
        "a.sh",
        "os() {\n  :\n}\n",
        "re() {\n  :\n}\n",
        "x=1\n",
        "g() {\n  os\n}\n",
        False,
    ),
    (
        "a.r",
        "os <- function() 1\n",
        "re <- function() 2\n",
        "x <- 1\n",
        "g <- function() {\n  os()\n}\n",
        False,
    ),
]

# (path, a function that makes, fills and returns `found`, a new line for `@` that uses it)
RENAMED = [
    (
        "a.js",
        "function f(list) {\n  let found = [];\n  list.forEach((x) => found.push(x));\n@  return found;\n}\n",
        "  log(found);\n",
    ),
    (
        "a.go",
        "package a\n\nfunc f() []int {\n\tfound := []int{}\n\tadd(found)\n@\treturn found\n}\n",
        "\tlog(found)\n",
    ),
    (
        "a.rs",
        "fn f() -> Vec<i32> {\n    let mut found = vec![];\n    found.push(1);\n@    return found;\n}\n",
        "    log(found);\n",
    ),
    (
        "A.java",
        "class A {\n    List f() {\n        List found = new List();\n"
        "        found.add(1);\n@        return found;\n    }\n}\n",
        "        log(found);\n",
    ),
    (
        "a.c",
        "int f(void)\n{\n\tint found = 0;\n\tfound++;\n@\treturn found;\n}\n",
        "\tlog(found);\n",
    ),
    (
        "a.cs",
        "class A {\n    int F() {\n        var found = 0;\n        found++;\n@        return found;\n    }\n}\n",
        "        log(found);\n",
    ),
    (
        "a.rb",
        "def f\n  found = []\n  found << 1\n@  return found\nend\n",
        "  log(found)\n",
    ),
    (
        "a.kt",
        "fun f(): Int {\n    val found = new()\n    found.add(1)\n@    return found\n}\n",
        "    log(found)\n",
    ),
    (
        "a.php",
        "<?php\nfunction f() {\n    $found = [];\n    $found[] = 1;\n@    return $found;\n}\n",
        "    log($found);\n",
    ),
    (
        "a.swift",
        "func f() -> Int {\n    var found = 0\n    found += 1\n@    return found\n}\n",
        "    log(found)\n",
    ),
    (
        "a.scala",
        "object A {\n  def f(): Int = {\n    val found = new B()\n    found.add(1)\n@    return found\n  }\n}\n",
        "    log(found)\n",
    ),
    (
        "a.lua",
        "function f()\n  local found = {}\n  add(found)\n@  return found\nend\n",
        "  log(found)\n",
    ),
    (
        "a.dart",
        "int f() {\n  var found = 0;\n  found++;\n@  return found;\n}\n",
        "  log(found);\n",
    ),
    (
        "a.r",
        "f <- function() {\n  found <- c()\n  found <- c(found, 1)\n@  return(found)\n}\n",
        "  log(found)\n",
    ),
]


@pytest.mark.parametrize(("path", "first", "second", "code", "new", "stays"), NEEDED)
def test_what_one_side_dropped_is_kept_or_disputed_where_the_other_needs_it(
    path: str, first: str, second: str, code: str, new: str, stays: bool
) -> None:
    opening = "<?php\n" if first.startswith("<?php\n") else ""
    base = first + second + "\n" + code
    merged = merge_file(base.encode(), (opening + second + "\n" + code).encode(), (base + "\n" + new).encode(), path)
    assert merged.clean == stays
    if stays:
        assert merged.content.decode() == base + "\n" + new
        assert [finding.kind for finding in merged.findings] == ["needed"]


@pytest.mark.parametrize(("path", "code", "new"), RENAMED)
def test_a_rename_is_carried_into_a_new_line_in_every_language_whose_names_are_followed(
    path: str, code: str, new: str
) -> None:
    base, theirs = code.replace("@", ""), code.replace("@", new)
    merged = merge_file(base.encode(), base.replace("found", "kept").encode(), theirs.encode(), path)
    assert merged.content.decode() == theirs.replace("found", "kept")
    assert [finding.kind for finding in merged.findings] == ["renamed"]
