"""Grammars without a row of their own."""

from __future__ import annotations

from bough_merge.syntax.language import Language
from bough_merge.syntax.table.common import COMMON

# Grammars without a row of their own: the common rules apply to them too.
_OTHERS = {
    "ada": ".adb .ads",
    "arduino": ".pde",
    "astro": ".astro",
    "bicep": ".bicep",
    "cairo": ".cairo",
    "capnp": ".capnp",
    "d": ".d",
    "elm": ".elm",
    "erlang": ".erl .hrl",
    "fennel": ".fnl",
    "fish": ".fish",
    "fsharp": ".fs .fsx",
    "gdscript": ".gd",
    "gleam": ".gleam",
    "glsl": ".glsl .vert .frag",
    "groovy": ".groovy .gradle",
    "hare": ".ha",
    "haxe": ".hx",
    "jsonnet": ".jsonnet .libsonnet",
    "kdl": ".kdl",
    "latex": ".tex",
    "luau": ".luau",
    "matlab": ".mat",
    "meson": "meson.build",
    "nim": ".nim",
    "ninja": ".ninja",
    "odin": ".odin",
    "org": ".org",
    "pascal": ".pas",
    "po": ".po",
    "powershell": ".ps1 .psm1",
    "prisma": ".prisma",
    "puppet": ".pp",
    "purescript": ".purs",
    "qmljs": ".qml",
    "rego": ".rego",
    "smithy": ".smithy",
    "starlark": ".bzl BUILD BUILD.bazel WORKSPACE",
    "tablegen": ".td",
    "tcl": ".tcl",
    "thrift": ".thrift",
    "twig": ".twig",
    "typst": ".typ",
    "vhdl": ".vhd .vhdl",
    "vim": ".vim",
    "wat": ".wat",
    "wgsl": ".wgsl",
    "zig": ".zig",
}

LANGUAGES: tuple[Language, ...] = tuple(
    Language(name, name, tuple(paths.split()), free=COMMON) for name, paths in _OTHERS.items()
)
