"""Order that means something to what reads a file is kept: both additions at one place are a dispute there."""

from __future__ import annotations

import pytest
from bough_merge import merge_file

Case = tuple[str, str, str, str, bool]


def _at(path: str, base: str, at: str, one: str, other: str, free: bool) -> Case:
    """Return the case in which both sides add a text before `at` (at the end, where it is empty)."""
    ours, theirs = (base.replace(at, text + at, 1) if at else base + text for text in (one, other))
    return path, base, ours, theirs, free


SCRIPT = "const app = express();\n\napp.get('/', (req, res) => a());\n\nlisten();\n"
SCRIPT_2 = "describe('a', () => {\n  it('one', () => {\n    a();\n  });\n\n  it('last', () => {\n    z();\n  });\n});\n"
OWNERS = "* @all\n/docs/ @docs\n"
STYLE = "a {\n  color: red;\n}\n"
MAKE = "all: x\n\techo\n"
MAKE_2 = "a: x.c y.h\n\tcc $<\n"
SCRIPT_3 = "import a from 'a';\n\nx();\n"
PACKAGE = (
    '{\n  "exports": {\n    ".": {\n      "import": "./a.mjs"\n    }\n  },\n  "scripts": {\n    "a": "b"\n  }\n}\n'
)
PACKAGE_2 = '{\n  "jest": {\n    "moduleNameMapper": {\n      "^a$": "b"\n    }\n  }\n}\n'
JEST = '{\n  "moduleNameMapper": {\n    "^a$": "b"\n  }\n}\n'
SHARP = "class A {\n    int x;\n}\n"
SHARP_2 = "class A : Control {\n    int x;\n}\n"
SWIFT = "class A {\n    var x = 1\n}\n"
SWIFT_2 = "class A: Control {\n    var x = 1\n}\n"
EDITOR = "root = true\n\n[*]\nindent_size = 4\n"
INI = "[a]\nx = 1\n"
TABLE = "name,price\na,1\nb,2\n"
PROJECT = '[tool.x]\ncmd = ["tool", "--fast"]\n\n[project]\ndependencies = [\n  "a>=1",\n  "b",\n]\n'
PROJECT_2 = '[project.optional-dependencies]\ntest = [\n  "pytest>=7",\n]\n'

# What it is: the case, and whether both may stay in any order.
ORDERS: dict[str, Case] = {
    "express": _at(
        "a.js",
        SCRIPT,
        "\nlisten",
        "app.get('/users/:id', (req, res) => b());\n",
        "app.get('/users/me', (req, res) => c());\n",
        False,
    ),
    "router.use": _at(
        "a.js",
        SCRIPT,
        "\nlisten",
        "router.use('/x', (req, res) => b());\n",
        "router.use('/x/y', (req, res) => c());\n",
        False,
    ),
    "fastify": _at(
        "a.ts",
        SCRIPT,
        "\nlisten",
        "fastify.get('/users/:id', async (req) => b());\n",
        "fastify.get('/users/me', async (req) => c());\n",
        False,
    ),
    "events": _at("a.js", SCRIPT, "\nlisten", "emitter.on('x', () => b());\n", "emitter.on('y', () => c());\n", False),
    "jest": _at(
        "a.js",
        SCRIPT_2,
        "  it('last'",
        "  it('two', () => {\n    b();\n  });\n\n",
        "  it('three', () => {\n    c();\n  });\n\n",
        True,
    ),
    "jest only": _at(
        "a.js",
        SCRIPT_2,
        "  it('last'",
        "  it.skip('two', () => {\n    b();\n  });\n\n",
        "  test('three', async () => {\n    c();\n  });\n\n",
        True,
    ),
    "codeowners globs": _at("CODEOWNERS", OWNERS, "", "*.js @js\n", "/src/ @src\n", False),
    "codeowners nested": _at("CODEOWNERS", OWNERS, "", "/src/api/ @js\n", "/src/ @src\n", False),
    "codeowners apart": _at("CODEOWNERS", OWNERS, "", "/web/ @js\n", "/lib/ @src\n", True),
    "codeowners ext": _at("CODEOWNERS", OWNERS, "", "*.js @js\n", "*.py @src\n", True),
    "codeowners star": _at("CODEOWNERS", OWNERS, "", "* @js\n", "*.py @src\n", False),
    "codeowners ext2": _at("CODEOWNERS", OWNERS, "", "*.js @js\n", "*.min.js @src\n", False),
    "css font: x | line-height: 2": _at("a.css", STYLE, "}", "  font: x;\n", "  line-height: 2;\n", False),
    "css columns: 2 | column-count: 3": _at("a.css", STYLE, "}", "  columns: 2;\n", "  column-count: 3;\n", False),
    "css margin: 1px | margin-left: 2px": _at("a.css", STYLE, "}", "  margin: 1px;\n", "  margin-left: 2px;\n", False),
    "css border-width: 1px | border-top: 0": _at(
        "a.css", STYLE, "}", "  border-width: 1px;\n", "  border-top: 0;\n", False
    ),
    "css display: x | opacity: 1": _at("a.css", STYLE, "}", "  display: x;\n", "  opacity: 1;\n", True),
    "css inset: 0 | left: 1px": _at("a.css", STYLE, "}", "  inset: 0;\n", "  left: 1px;\n", False),
    "css all: unset | opacity: 1": _at("a.css", STYLE, "}", "  all: unset;\n", "  opacity: 1;\n", False),
    "css flex-flow: row | flex-direction: column": _at(
        "a.css", STYLE, "}", "  flex-flow: row;\n", "  flex-direction: column;\n", False
    ),
    "css place-items: center | align-items: end": _at(
        "a.css", STYLE, "}", "  place-items: center;\n", "  align-items: end;\n", False
    ),
    "css grid-area: a | grid-row: 1": _at("a.css", STYLE, "}", "  grid-area: a;\n", "  grid-row: 1;\n", False),
    "css margin-inline: 1px | margin-left: 2px": _at(
        "a.css", STYLE, "}", "  margin-inline: 1px;\n", "  margin-left: 2px;\n", False
    ),
    "css width: 1px | inline-size: 2px": _at("a.css", STYLE, "}", "  width: 1px;\n", "  inline-size: 2px;\n", False),
    "css top: 1px | z-index: 2": _at("a.css", STYLE, "}", "  top: 1px;\n", "  z-index: 2;\n", True),
    "css padding-left: 1px | margin-left: 1px": _at(
        "a.css", STYLE, "}", "  padding-left: 1px;\n", "  margin-left: 1px;\n", True
    ),
    "css gap: 1px | row-gap: 2px": _at("a.css", STYLE, "}", "  gap: 1px;\n", "  row-gap: 2px;\n", False),
    "css text-decoration: x | text-decoration-color: y": _at(
        "a.css", STYLE, "}", "  text-decoration: x;\n", "  text-decoration-color: y;\n", False
    ),
    "css border-radius: 1px | border-top-left-radius: 2px": _at(
        "a.css", STYLE, "}", "  border-radius: 1px;\n", "  border-top-left-radius: 2px;\n", False
    ),
    "make first": _at("Makefile", MAKE, "all:", "a:\n\techo a\n\n", "b:\n\techo b\n\n", False),
    "make later": _at("Makefile", MAKE, "", "\na:\n\techo a\n", "\nb:\n\techo b\n", True),
    "make first prereq": ("Makefile", MAKE_2, "a: z.c x.c y.h\n\tcc $<\n", "a: w.c x.c y.h\n\tcc $<\n", False),
    "make later prereq": ("Makefile", MAKE_2, "a: x.c y.h z.h\n\tcc $<\n", "a: x.c y.h w.h\n\tcc $<\n", True),
    "css import": _at("a.js", SCRIPT_3, "\nx()", "import './reset.css';\n", "import './theme.css';\n", False),
    "css import/bind": _at("a.tsx", SCRIPT_3, "\nx()", "import './reset.css';\n", "import b from 'b';\n", False),
    "binds": _at("a.tsx", SCRIPT_3, "\nx()", "import c from 'c';\n", "import b from 'b';\n", True),
    "exports": (
        "package.json",
        PACKAGE,
        '{\n  "exports": {\n    ".": {\n      "import": "./a.mjs",\n      "default": "./d.js"\n    }\n'
        '  },\n  "scripts": {\n    "a": "b"\n  }\n}\n',
        '{\n  "exports": {\n    ".": {\n      "import": "./a.mjs",\n      "browser": "./b.js"\n    }\n'
        '  },\n  "scripts": {\n    "a": "b"\n  }\n}\n',
        False,
    ),
    "scripts": (
        "package.json",
        PACKAGE,
        '{\n  "exports": {\n    ".": {\n      "import": "./a.mjs"\n    }\n  },\n'
        '  "scripts": {\n    "a": "b",\n    "c": "d"\n  }\n}\n',
        '{\n  "exports": {\n    ".": {\n      "import": "./a.mjs"\n    }\n  },\n'
        '  "scripts": {\n    "a": "b",\n    "e": "f"\n  }\n}\n',
        True,
    ),
    "mapper": (
        "package.json",
        PACKAGE_2,
        '{\n  "jest": {\n    "moduleNameMapper": {\n      "^a$": "b",\n      "^@/(.*)": "x"\n    }\n  }\n}\n',
        '{\n  "jest": {\n    "moduleNameMapper": {\n      "^a$": "b",\n      "^@/z": "y"\n    }\n  }\n}\n',
        False,
    ),
    "mapper jest.config": (
        "jest.config.json",
        JEST,
        '{\n  "moduleNameMapper": {\n    "^a$": "b",\n    "^@/(.*)": "x"\n  }\n}\n',
        '{\n  "moduleNameMapper": {\n    "^a$": "b",\n    "^@/z": "y"\n  }\n}\n',
        False,
    ),
    "cs bases": ("a.cs", SHARP, "class A : IFoo {\n    int x;\n}\n", "class A : Control {\n    int x;\n}\n", False),
    "cs bases later": (
        "a.cs",
        SHARP_2,
        "class A : Control, IFoo {\n    int x;\n}\n",
        "class A : Control, IBar {\n    int x;\n}\n",
        True,
    ),
    "swift bases": (
        "a.swift",
        SWIFT,
        "class A: Foo {\n    var x = 1\n}\n",
        "class A: Control {\n    var x = 1\n}\n",
        False,
    ),
    "swift bases later": (
        "a.swift",
        SWIFT_2,
        "class A: Control, Foo {\n    var x = 1\n}\n",
        "class A: Control, Bar {\n    var x = 1\n}\n",
        True,
    ),
    "editorconfig": _at(
        ".editorconfig", EDITOR, "", "\n[*.js]\nindent_size = 2\n", "\n[src/**]\nindent_size = 8\n", False
    ),
    "editorconfig set": _at(".editorconfig", EDITOR, "", "charset = utf-8\n", "tab_width = 3\n", True),
    "ini": _at("a.ini", INI, "", "\n[b]\ny = 2\n", "\n[c]\ny = 2\n", True),
    "csv": ("a.csv", TABLE, "name,price,size\na,1,3\nb,2,4\n", "name,price\na,1\nb,2\nc,3\n", False),
    "csv rows": _at("a.csv", TABLE, "", "c,3\n", "d,4\n", True),
    "cmd": (
        "pyproject.toml",
        PROJECT,
        '[tool.x]\ncmd = ["tool", "--fast", "--jobs", "4"]\n\n[project]\ndependencies = [\n  "a>=1",\n  "b",\n]\n',
        '[tool.x]\ncmd = ["tool", "--fast", "--depth", "2"]\n\n[project]\ndependencies = [\n  "a>=1",\n  "b",\n]\n',
        False,
    ),
    "cmd run": (
        "pyproject.toml",
        PROJECT,
        '[tool.x]\ncmd = ["tool", "run", "--fast"]\n\n[project]\ndependencies = [\n  "a>=1",\n  "b",\n]\n',
        '[tool.x]\ncmd = ["tool", "--fast", "run"]\n\n[project]\ndependencies = [\n  "a>=1",\n  "b",\n]\n',
        False,
    ),
    "deps": (
        "pyproject.toml",
        PROJECT,
        '[tool.x]\ncmd = ["tool", "--fast"]\n\n[project]\ndependencies = [\n  "a>=1",\n  "b",\n  "c",\n]\n',
        '[tool.x]\ncmd = ["tool", "--fast"]\n\n[project]\ndependencies = [\n  "a>=1",\n  "b",\n  "d>2",\n]\n',
        True,
    ),
    "optional": (
        "pyproject.toml",
        PROJECT_2,
        '[project.optional-dependencies]\ntest = [\n  "pytest>=7",\n  "c",\n]\n',
        '[project.optional-dependencies]\ntest = [\n  "pytest>=7",\n  "d>2",\n]\n',
        True,
    ),
}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", ORDERS)
def test_additions_at_one_place_are_united_only_where_their_order_means_nothing(name: str, swapped: bool) -> None:
    path, base, ours, theirs, free = ORDERS[name]
    sides = (theirs, ours) if swapped else (ours, theirs)
    merged = merge_file(base.encode(), sides[0].encode(), sides[1].encode(), path)
    assert merged.clean == free
