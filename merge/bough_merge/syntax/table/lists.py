"""Files of lines, without a grammar or generated."""

from __future__ import annotations

from bough_merge.syntax.language import Free, Language

_LOCKS = (
    ("package-lock.json", "json", "npm install --package-lock-only"),
    ("npm-shrinkwrap.json", "json", "npm shrinkwrap"),
    ("yarn.lock", "", "yarn install"),
    ("pnpm-lock.yaml", "yaml", "pnpm install --lockfile-only"),
    ("bun.lock", "", "bun install"),
    ("Cargo.lock", "toml", "cargo generate-lockfile"),
    ("poetry.lock", "toml", "poetry lock"),
    ("uv.lock", "toml", "uv lock"),
    ("pdm.lock", "toml", "pdm lock"),
    ("Pipfile.lock", "json", "pipenv lock"),
    ("Gemfile.lock", "", "bundle lock"),
    ("composer.lock", "json", "composer update --lock"),
    ("mix.lock", "", "mix deps.get"),
    ("flake.lock", "json", "nix flake lock"),
    ("pubspec.lock", "yaml", "dart pub get"),
    ("Podfile.lock", "yaml", "pod install"),
    ("gradle.lockfile", "", "gradle dependencies --write-locks"),
    ("packages.lock.json", "json", "dotnet restore --force-evaluate"),
)

LANGUAGES: tuple[Language, ...] = (
    Language(
        "go.mod",
        "",
        ("go.mod", "go.work"),
        free=(Free("records", "record|block"),),
        blocks=True,
        record_key=rb"(?!//)(module|go|toolchain|retract|ignore|exclude|require|replace|godebug|tool|use)\s+([^\s=]+)",
    ),
    Language("go.sum", "", ("go.sum",), free=(Free("records", "record"),), record_key=rb"(\S+\s+\S+)"),
    Language(
        "requirements",
        "",
        ("requirements.txt", "requirements-dev.txt", "constraints.txt", ".in"),
        free=(Free("records", "record"),),
        record_key=rb"([A-Za-z0-9][\w.-]*)",
    ),
    Language(
        "ignore",
        "",
        (".gitignore", ".dockerignore", ".npmignore", ".eslintignore", ".prettierignore", ".gitattributes", ".mailmap"),
        free=(Free("records", "record"),),
        ordered_records=rb"!",
    ),
    Language(
        "codeowners",
        "",
        ("CODEOWNERS",),
        # The last line that matches a file decides: paths that are apart may change places, and two endings.
        free=(Free("assignments", "record"),),
        related=rb"(?!/[\w./-]+ |\*\.\w+ ).*|\*\.\w+ /.*",
        record_key=rb"(\S+)",
    ),
    Language("people", "", ("AUTHORS", "CONTRIBUTORS", "MAINTAINERS"), free=(Free("records", "record"),)),
    Language("csv", "", (".csv", ".tsv"), free=(Free("records", "record"),), cells=True),
    *(Language("lock", grammar, (path,), remedy=remedy) for path, grammar, remedy in _LOCKS),
)
