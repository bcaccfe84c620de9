"""What each language of the table leaves free, and what stays a dispute: one small merge a row."""

from __future__ import annotations

import pytest
from bough_merge import merge_file

# path, file, what ours and what theirs adds at the place of `@@`: both stay, ours first.
FREE = [
    (
        "a.java",
        "class A {\n    void f() {\n        try {\n            g();\n        } catch (A@@ e) {\n        }\n    }\n}\n",
        " | B",
        " | C",
    ),
    ("a.java", "class A implements X@@ {\n}\n", ", Y", ", Z"),
    ("a.java", "interface A extends X@@ {\n}\n", ", Y", ", Z"),
    ("a.java", "enum A {\n    B,\n@@}\n", "    C,\n", "    D,\n"),
    ("a.java", "enum A {\n    B@@;\n    void f() {}\n}\n", ",\n    C", ",\n    D"),
    ("a.java", "@A@@\nclass X {}\n", "\n@B", "\n@C"),
    ("a.java", "class A {\n    int a;\n@@}\n", "    static int b = 1;\n", "    final String c;\n"),
    (
        "a.java",
        "class A {\n@@    int a;\n}\n",
        "    private static final int b = 1;\n\n",
        "    private static final int c = 1;\n\n",
    ),
    ("a.kt", "import a.b\n@@\nclass A\n", "import a.c\n", "import a.d\n"),
    ("a.kt", "enum class A {\n    B,\n@@}\n", "    C,\n", "    D,\n"),
    ("a.kt", "class A : B@@ {\n}\n", ", C", ", D"),
    ("a.kt", "fun f() {\n}\n@@", "\nfun g() {\n}\n", "\nfun h() {\n}\n"),
    ("a.rs", "mod a;\n@@\nfn x() {}\n", "mod b;\n", "mod c;\n"),
    ("a.rs", "use a::b;\n@@\nfn x() {}\n", "use a::c;\n", "use a::d;\n"),
    ("a.rs", "fn f<T: A@@>() {}\n", " + B", " + C"),
    ("a.rs", "struct A {\n    a: u8,\n@@}\n", "    b: u8,\n", "    c: u8,\n"),
    ("a.rs", "impl A {\n    fn a() {}\n@@}\n", "\n    fn b() {}\n", "\n    fn c() {}\n"),
    ("a.rs", "trait A {\n    fn a();\n@@}\n", "    fn b();\n", "    fn c();\n"),
    ("a.rs", "#[derive(A)]\n@@struct X;\n", "#[b]\n", "#[c]\n"),
    ("a.rs", "fn f() -> X {\n    X { a: 1@@ }\n}\n", ", b: 2", ", c: 3"),
    ("a.rs", "extern crate a;\n@@\nfn x() {}\n", "extern crate b;\n", "extern crate c;\n"),
    ("a.rs", "const A: u8 = 1;\n@@\nfn x() {}\n", "const B: u8 = 1;\n", "const C: u8 = 1;\n"),
    ("a.rs", "fn f<T>() where T: A@@ {}\n", ", U: B", ", V: C"),
    ("a.go", "package a\n\nconst (\n\tA = 1\n@@)\n", "\tB = 2\n", "\tC = 2\n"),
    ("a.go", "package a\n\ntype A interface {\n\tF()\n@@}\n", "\tG()\n", "\tH()\n"),
    ("a.go", "package a\n\nvar (\n\ta int\n@@)\n", "\tb int\n", "\tc int\n"),
    ("a.go", "package a\n\nfunc a() {\n}\n@@", "\nfunc b() {\n}\n", "\nfunc c() {\n}\n"),
    ("a.go", 'package a\n\nimport "a"\n@@\nfunc x() {}\n', 'import "b"\n', 'import "c"\n'),
    ("a.go", 'package a\n\nvar m = map[string]int{\n\t"a": 1,\n@@}\n', '\t"b": 2,\n', '\t"c": 3,\n'),
    ("a.c", "enum a {\n\tA,\n@@};\n", "\tB,\n", "\tC,\n"),
    ("a.c", "#define A 1\n@@\nint x;\n", "#define B 2\n", "#define C 3\n"),
    ("a.h", "#ifndef A_H\n#define A_H\n\nint a(void);\n@@\n#endif\n", "int b(void);\n", "int c(void);\n"),
    ("a.c", "static struct x y = {\n\t.a = 1,\n@@};\n", "\t.b = 2,\n", "\t.c = 3,\n"),
    ("a.cpp", "class A {\npublic:\n    A();\n@@};\n", "    void b();\n", "    void c();\n"),
    ("a.cpp", "namespace n {\nvoid a();\n@@}\n", "void b();\n", "void c();\n"),
    ("a.cpp", "using std::a;\n@@\nint x;\n", "using std::b;\n", "using std::c;\n"),
    ("a.cpp", "A::A() : a(1)@@ {}\n", ", b(2)", ", c(3)"),
    (
        "a.cs",
        "class A\n{\n    public int P { get; set; }\n@@}\n",
        "    public int Q { get; set; }\n",
        "    public int R { get; set; }\n",
    ),
    ("a.cs", "class A : B@@\n{\n}\n", ", C", ", D"),
    ("a.cs", "enum A\n{\n    B,\n@@}\n", "    C,\n", "    D,\n"),
    ("a.cs", "class A\n{\n    [X]\n@@    void F() {}\n}\n", "    [Y]\n", "    [Z]\n"),
    ("a.php", "<?php\nclass A\n{\n    private $a;\n@@}\n", "    private $b;\n", "    private $c;\n"),
    ("a.php", "<?php\nclass A implements B@@\n{\n}\n", ", C", ", D"),
    ("a.php", "<?php\nreturn [\n    'a' => 1,\n@@];\n", "    'b' => 2,\n", "    'c' => 3,\n"),
    ("a.php", "<?php\nclass A\n{\n    use X;\n@@}\n", "    use Y;\n", "    use Z;\n"),
    ("a.php", "<?php\nclass A\n{\n    const A = 1;\n@@}\n", "    const B = 1;\n", "    const C = 1;\n"),
    ("a.rb", 'require "a"\n@@\nx\n', 'require "b"\n', 'require "c"\n'),
    ("a.rb", "x = {\n  a: 1,\n@@}\n", "  b: 2,\n", "  c: 3,\n"),
    ("a.rb", "module A\n  class B\n  end\n@@end\n", "\n  class C\n  end\n", "\n  class D\n  end\n"),
    ("a.swift", "import A\n@@\nlet x = 1\n", "import B\n", "import C\n"),
    ("a.swift", "enum A {\n    case a\n@@}\n", "    case b\n", "    case c\n"),
    ("a.swift", "class A: B@@ {\n}\n", ", C", ", D"),
    ("a.swift", "struct A {\n    var a: Int\n@@}\n", "    var b: Int\n", "    let c: Int\n"),
    ("a.scala", "class A {\n  def a = 1\n@@}\n", "  def b = 1\n", "  val c = 1\n"),
    ("a.scala", "import a.{b@@}\n", ", c", ", d"),
    ("a.dart", "class A {\n  int a = 1;\n@@}\n", "\n  void b() {}\n", "\n  void c() {}\n"),
    ("a.dart", "void f() {\n  g(a: 1@@);\n}\n", ", b: 2", ", c: 3"),
    ("a.lua", 'local a = require("a")\n@@\nreturn a\n', 'local b = require("b")\n', 'local c = require("c")\n'),
    ("a.lua", "function M.a()\nend\n@@", "\nfunction M.b()\nend\n", "\nfunction M.c()\nend\n"),
    ("a.ex", "defmodule A do\n  use B\n@@\n  def x, do: 1\nend\n", "  use C\n", "  import D\n"),
    ("a.hs", "module A (a@@) where\n", ", b", ", c"),
    ("a.hs", "data A = A\n  { a :: Int\n@@  }\n", "  , b :: Int\n", "  , c :: Int\n"),
    ("a.ml", "open A\n@@\nlet x = 1\n", "open B\n", "open C\n"),
    ("a.ml", "type t = {\n  a : int;\n@@}\n", "  b : int;\n", "  c : int;\n"),
    ("a.html", '<div a="1"@@></div>\n', ' b="2"', ' c="3"'),
    ("a.svelte", '<script>\n  import A from "a";\n@@</script>\n', '  import B from "b";\n', '  import C from "c";\n'),
    ("a.yml", "a:\n  b: 1\n@@", "  c: 2\n", "  d: 3\n"),
    ("a.yml", "a: {b: 1@@}\n", ", c: 2", ", d: 3"),
    ("a.toml", "[a]\nb = 1\n@@", "\n[c]\nd = 1\n", "\n[e]\nf = 1\n"),
    ("Cargo.toml", '[dependencies]\na = "1"\n@@', 'b = "1"\n', 'c = "1"\n'),
    ("Cargo.toml", '[dependencies]\na = { version = "1"@@ }\n', ", default-features = false", ", optional = true"),
    ("pyproject.toml", '[project]\ndependencies = [\n    "a",\n@@]\n', '    "b",\n', '    "c",\n'),
    ("a.json", '{\n  "a": {\n    "b": 1@@\n  }\n}\n', ',\n    "c": 2', ',\n    "d": 3'),
    ("a.ini", "[a]\nb=1\n@@", "\n[c]\nd=1\n", "\n[e]\nf=1\n"),
    ("a.properties", "a=1\n@@", "b=2\n", "c=3\n"),
    ("a.py", "from a import (\n    b,\n@@)\n", "    c,\n", "    d,\n"),
    ("a.py", 'x = {\n    "a": 1,\n@@}\n', '    "b": 2,\n', '    "c": 3,\n'),
    ("a.py", "f(a=1@@)\n", ", b=2", ", c=3"),
    ("a.py", "class A:\n    a = 1\n@@", "    b = 2\n", "    c = 3\n"),
    ("a.py", "class A(B@@):\n    pass\n", ", metaclass=C", ", x=D"),
    ("a.py", "import a\n@@\nx = 1\n", "import b\n", "from c import d\n"),
    ("a.ts", 'import { a@@ } from "a";\n', ", b", ", c"),
    ("a.ts", "export { a@@ };\n", ", b", ", c"),
    ("a.ts", "class A implements B@@ {\n}\n", ", C", ", D"),
    ("a.ts", "export const a = 1;\n@@", "export function b() {}\n", "export function c() {}\n"),
    ("a.ts", 'export * from "a";\n@@', 'export * from "b";\n', 'export * from "c";\n'),
    ("a.js", "class A {\n  a = 1;\n@@}\n", "  b = 2;\n", "  c = 3;\n"),
    ("a.js", "function a() {}\n@@", "function b() {}\n", "function c() {}\n"),
    ("a.js", 'const { a@@ } = require("a");\n', ", b", ", c"),
    ("a.sol", "contract A {\n    uint a;\n@@}\n", "    uint b;\n", "    uint c;\n"),
    ("a.sol", "contract A is B@@ {\n}\n", ", C", ", D"),
    ("a.proto", "enum A {\n  B = 0;\n@@}\n", "  C = 1;\n", "  D = 2;\n"),
    ("a.proto", 'import "a";\n@@\nmessage A {}\n', 'import "b";\n', 'import "c";\n'),
    (
        "a.proto",
        "service A {\n  rpc B(C) returns (D);\n@@}\n",
        "  rpc E(C) returns (D);\n",
        "  rpc F(C) returns (D);\n",
    ),
    ("a.graphql", "enum A {\n  B\n@@}\n", "  C\n", "  D\n"),
    ("a.tf", 'variable "a" {\n}\n@@', '\nvariable "b" {\n}\n', '\nvariable "c" {\n}\n'),
    ("a.nix", "{\n  inherit a@@;\n}\n", " b", " c"),
    ("BUILD", 'x(\n    name = "a",\n@@)\n', "    b = 1,\n", "    c = 2,\n"),
    ("go.work", "go 1.20\n\nuse (\n\t./a\n@@)\n", "\t./b\n", "\t./c\n"),
    ("a.f90", "module a\n  use b\n@@end module a\n", "  use c\n", "  use d\n"),
    ("a.jl", "using A\n@@\nx = 1\n", "using B\n", "using C\n"),
    ("a.css", "a {\n  b: c;\n@@}\n", "  d: e;\n", "  f: g;\n"),
    ("Dockerfile", "FROM a\nENV A=1@@\n", " B=2", " C=3"),
    ("a.mk", ".PHONY: a@@\n", " b", " c"),
    ("CHANGELOG.md", "# Changes\n\n## Next\n\n- a\n@@", "- b\n", "- c\n"),
]

# The same, where the order of the two means something.
ORDERED = [
    ("a.kt", "fun f() {\n    start()\n@@    end()\n}\n", "    val b = one()\n", "    val c = two()\n"),
    ("a.swift", "func f() {\n    start()\n@@    end()\n}\n", "    let b = one()\n", "    let c = two()\n"),
    (
        "a.scala",
        "object A {\n  def f() = {\n    x()\n@@    y()\n  }\n}\n",
        "    val b = one()\n",
        "    val c = two()\n",
    ),
    ("a.cpp", "class A : public B@@ {\n};\n", ", public C", ", public D"),
    ("a.rb", "class A\n  include B\n@@end\n", "  include C\n", "  include D\n"),
    ("a.scala", "class A extends B@@ {\n}\n", " with C", " with D"),
    ("a.py", "@a\n@@def f():\n    pass\n", "@b\n", "@c\n"),
    ("a.ts", "type A = B@@;\n", " & C", " & D"),
    ("a.graphql", "union A = B@@\n", " | C", " | D"),
    ("a.nix", "{ pkgs }: with pkgs; [\n  a\n@@]\n", "  b\n", "  c\n"),
    ("a.bzl", 'load("a", "b"@@)\n', ', "c"', ', "d"'),
    ("a.erl", "-module(a).\n-export([a/0@@]).\n", ", b/0", ", c/0"),
    ("a.css", "a {\n  b: c;\n}\n@@", "\nd {\n  e: f;\n}\n", "\ng {\n  h: i;\n}\n"),
    ("a.cmake", "set(X\n  a\n@@)\n", "  b\n", "  c\n"),
    ("a.sql", "SELECT a@@ FROM b;\n", ", c", ", d"),
    ("a.md", "# A\n\n- a\n@@", "- b\n", "- c\n"),
]

# path, file, what ours adds at `@1` and theirs at `@2`: one name with two meanings.
TWICE = [
    (
        "a.java",
        "class A {\n    int x;\n@1    int y;\n    int z;\n    int w;\n@2}\n",
        "    int b = 1;\n",
        "    int b = 2;\n",
    ),
    (
        "a.java",
        "class A {\n    void x() {}\n@1    void y() {}\n    void z() {}\n@2}\n",
        "    void b() { one(); }\n",
        "    void b() { two(); }\n",
    ),
    (
        "a.kt",
        "class A {\n    fun x() {}\n@1    fun y() {}\n    fun z() {}\n@2}\n",
        "    fun b() { one() }\n",
        "    fun b() { two() }\n",
    ),
    (
        "a.rs",
        "impl A {\n    fn x() {}\n@1    fn y() {}\n    fn z() {}\n@2}\n",
        "    fn b() { one() }\n",
        "    fn b() { two() }\n",
    ),
    ("a.rs", "struct A {\n    x: u8,\n@1    y: u8,\n    z: u8,\n@2}\n", "    b: u8,\n", "    b: u16,\n"),
    ("a.rs", "enum A {\n    X,\n@1    Y,\n    Z,\n@2}\n", "    B,\n", "    B(u8),\n"),
    (
        "a.go",
        "package a\n\nfunc x() {\n}\n\n@1func y() {\n}\n\nfunc z() {\n}\n@2",
        "func b() {\n\tone()\n}\n\n",
        "\nfunc b() {\n\ttwo()\n}\n",
    ),
    ("a.go", "package a\n\ntype A struct {\n\tx int\n@1\ty int\n\tz int\n@2}\n", "\tb int\n", "\tb string\n"),
    (
        "a.go",
        'package a\n\nvar m = map[string]int{\n\t"x": 1,\n@1\t"y": 1,\n\t"z": 1,\n@2}\n',
        '\t"b": 2,\n',
        '\t"b": 3,\n',
    ),
    ("a.c", "struct a {\n\tint x;\n@1\tint y;\n\tint z;\n@2};\n", "\tint b;\n", "\tchar b;\n"),
    ("a.c", "int x(void);\n@1int y(void);\nint z(void);\n@2", "int b(void);\n", "long b(void);\n"),
    ("a.c", "enum a {\n\tX,\n@1\tY,\n\tZ,\n@2};\n", "\tB = 1,\n", "\tB = 2,\n"),
    ("a.c", "struct a b = {\n\t.x = 1,\n@1\t.y = 1,\n\t.z = 1,\n@2};\n", "\t.b = 1,\n", "\t.b = 2,\n"),
    ("a.cpp", "class A {\n  int x;\n@1  int y;\n  int z;\n@2};\n", "  int b;\n", "  char b;\n"),
    ("a.cs", "class A\n{\n    int x;\n@1    int y;\n    int z;\n@2}\n", "    int b;\n", "    string b;\n"),
    (
        "a.php",
        "<?php\nclass A\n{\n    function x() {}\n@1    function y() {}\n    function z() {}\n@2}\n",
        "    function b() { one(); }\n",
        "    function b() { two(); }\n",
    ),
    (
        "a.php",
        "<?php\nreturn [\n    'x' => 1,\n@1    'y' => 1,\n    'z' => 1,\n@2];\n",
        "    'b' => 2,\n",
        "    'b' => 3,\n",
    ),
    (
        "a.rb",
        "class A\n  def x\n  end\n\n@1  def y\n  end\n\n  def z\n  end\n@2end\n",
        "  def b\n    one\n  end\n\n",
        "\n  def b\n    two\n  end\n",
    ),
    ("a.rb", "X = {\n  x: 1,\n@1  y: 1,\n  z: 1,\n@2}\n", "  b: 1,\n", "  b: 2,\n"),
    (
        "a.swift",
        "class A {\n    func x() {}\n@1    func y() {}\n    func z() {}\n@2}\n",
        "    func b() { one() }\n",
        "    func b() { two() }\n",
    ),
    ("a.scala", "class A {\n  def x = 1\n@1  def y = 1\n  def z = 1\n@2}\n", "  def b = 1\n", "  def b = 2\n"),
    ("a.dart", "class A {\n  int x = 1;\n@1  int y = 1;\n  int z = 1;\n@2}\n", "  int b = 1;\n", "  int b = 2;\n"),
    ("a.lua", "return {\n  x = 1,\n@1  y = 1,\n  z = 1,\n@2}\n", "  b = 1,\n", "  b = 2,\n"),
    (
        "a.lua",
        "function M.x()\nend\n@1\nfunction M.y()\nend\n\nfunction M.z()\nend\n@2",
        "\nfunction M.b()\n  one()\nend\n",
        "\nfunction M.b()\n  two()\nend\n",
    ),
    ("a.ts", "interface A {\n  x: 1;\n@1  y: 1;\n  z: 1;\n@2}\n", "  b: 1;\n", "  b: 2;\n"),
    ("a.ts", "enum A {\n  X,\n@1  Y,\n  Z,\n@2}\n", "  B = 1,\n", "  B = 2,\n"),
    ("a.js", "class A {\n  x() {}\n@1  y() {}\n  z() {}\n@2}\n", "  b() { one(); }\n", "  b() { two(); }\n"),
    (
        "a.js",
        "function x() {}\n@1function y() {}\nfunction z() {}\n@2",
        "function b() { one(); }\n",
        "function b() { two(); }\n",
    ),
    (
        "a.py",
        "class A:\n    def x(self):\n        u\n\n@1    def y(self):\n        v\n\n    def z(self):\n        w\n@2",
        "    def b(self):\n        one()\n\n",
        "\n    def b(self):\n        two()\n",
    ),
    (
        "a.py",
        "def x():\n    pass\n\n\n@1def y():\n    pass\n\n\ndef z():\n    pass\n@2",
        "def b():\n    one()\n\n\n",
        "\n\ndef b():\n    two()\n",
    ),
    ("a.py", 'X = {\n    "x": 1,\n@1    "y": 1,\n    "z": 1,\n@2}\n', '    "b": 1,\n', '    "b": 2,\n'),
    ("a.py", "f(x=1,\n@1  y=1,\n  z=1@2)\n", "  b=1,\n", ",\n  b=2"),
    ("a.yml", "x: 1\n@1y: 1\nz: 1\n@2", "b: 1\n", "b: 2\n"),
    ("a.yml", "a:\n  x: 1\n@1  y: 1\n  z: 1\n@2", "  b: 1\n", "  b: 2\n"),
    ("a.toml", "[a]\nx = 1\n@1y = 1\nz = 1\n@2", "b = 1\n", "b = 2\n"),
    ("a.toml", "[a]\nx = 1\n\n@1[y]\nx = 1\n\n[z]\nx = 1\n@2", "[b]\nx = 1\n\n", "\n[b]\nx = 2\n"),
    ("a.ini", "[a]\nx=1\n@1y=1\nz=1\n@2", "b=1\n", "b=2\n"),
    ("a.properties", "x=1\n@1y=1\nz=1\n@2", "b=1\n", "b=2\n"),
    ("a.xml", '<a\n  x="1"\n@1  y="1"\n  z="1"\n@2/>\n', '  b="1"\n', '  b="2"\n'),
    ("a.html", '<a\n  x="1"\n@1  y="1"\n  z="1"\n@2></a>\n', '  b="1"\n', '  b="2"\n'),
    ("a.tf", 'resource "a" "b" {\n  x = 1\n@1  y = 1\n  z = 1\n@2}\n', "  b = 1\n", "  b = 2\n"),
    (
        "a.tf",
        'variable "x" {\n}\n@1\nvariable "y" {\n}\n\nvariable "z" {\n}\n@2',
        '\nvariable "b" {\n  d = 1\n}\n',
        '\nvariable "b" {\n  d = 2\n}\n',
    ),
    ("a.nix", "{\n  x = 1;\n@1  y = 1;\n  z = 1;\n@2}\n", "  b = 1;\n", "  b = 2;\n"),
    (
        "a.proto",
        "message A {\n  int32 x = 1;\n@1  int32 y = 2;\n  int32 z = 3;\n@2}\n",
        "  int32 b = 4;\n",
        "  string b = 4;\n",
    ),
    ("a.graphql", "type A {\n  x: Int\n@1  y: Int\n  z: Int\n@2}\n", "  b: Int\n", "  b: String\n"),
    ("a.sol", "contract A {\n    uint x;\n@1    uint y;\n    uint z;\n@2}\n", "    uint b;\n", "    int b;\n"),
    ("requirements.txt", "x==1\n@1y==1\nz==1\n@2", "b==1\n", "b==2\n"),
    ("go.mod", "module a\n\nrequire (\n\tx v1\n@1\ty v1\n\tz v1\n@2)\n", "\tb v1\n", "\tb v2\n"),
    ("CODEOWNERS", "x @a\n@1y @a\nz @a\n@2", "b @a\n", "b @c\n"),
    ("a.csv", "x,1\n@1y,1\nz,1\n@2", "b,1\n", "b,2\n"),
    ("a.css", "a {\n  x: 1;\n@1  y: 1;\n  z: 1;\n@2}\n", "  b: 1;\n", "  b: 2;\n"),
    ("a.ml", "type t = {\n  x : int;\n@1  y : int;\n  z : int;\n@2}\n", "  b : int;\n", "  b : string;\n"),
    ("a.hs", "data A = A\n  { x :: Int\n@1  , y :: Int\n  , z :: Int\n@2  }\n", "  , b :: Int\n", "  , b :: Char\n"),
    ("a.sql", "CREATE TABLE a (\n  x int,\n@1  y int,\n  z int@2\n);\n", "  b int,\n", ",\n  b text"),
    ("a.sh", "x() {\n  :\n}\n\n@1y() {\n  :\n}\n\nz() {\n  :\n}\n@2", "b() {\n  one\n}\n\n", "\nb() {\n  two\n}\n"),
    ("a.mk", "x: a\n\techo\n\n@1y: a\n\techo\n\nz: a\n\techo\n@2", "b: a\n\tone\n\n", "\nb: a\n\ttwo\n"),
    ("a.jsx", '<A\n  x="1"\n@1  y="1"\n  z="1"\n@2/>\n', '  b="1"\n', '  b="2"\n'),
]


def _with(file: str, **texts: str) -> bytes:
    for place in ("@@", "@1", "@2"):
        file = file.replace(place, texts.get({"@@": "here", "@1": "first", "@2": "second"}[place], ""))
    return file.encode()


@pytest.mark.parametrize(("path", "file", "ours", "theirs"), FREE)
def test_both_additions_stay_where_order_is_free(path: str, file: str, ours: str, theirs: str) -> None:
    merged = merge_file(_with(file), _with(file, here=ours), _with(file, here=theirs), path)
    assert merged.content.decode() == file.replace("@@", ours + theirs)


@pytest.mark.parametrize(("path", "file", "ours", "theirs"), ORDERED)
def test_two_additions_are_a_dispute_where_order_means_something(path: str, file: str, ours: str, theirs: str) -> None:
    assert not merge_file(_with(file), _with(file, here=ours), _with(file, here=theirs), path).clean


@pytest.mark.parametrize(("path", "file", "ours", "theirs"), TWICE)
def test_one_name_with_two_meanings_is_never_merged(path: str, file: str, ours: str, theirs: str) -> None:
    assert not merge_file(_with(file), _with(file, first=ours), _with(file, second=theirs), path).clean
    assert not merge_file(_with(file), _with(file, first=ours), _with(file, first=theirs), path).clean


@pytest.mark.parametrize(("path", "file", "ours", "theirs"), TWICE)
def test_what_both_added_alike_is_stated_once(path: str, file: str, ours: str, theirs: str) -> None:
    merged = merge_file(_with(file), _with(file, first=ours), _with(file, first=ours), path)
    assert merged.content == _with(file, first=ours)
