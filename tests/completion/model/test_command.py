"""`bough model` and `bough export`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from bough_cli import failure
from bough_cli.commands.tools import export, model
from typer.testing import CliRunner

from tests.completion.model.conftest import Made

app = typer.Typer()
app.add_typer(model.app, name="model")
app.command()(export.export)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOUGH_HOME", str(tmp_path / "home"))


def bough(*words: str) -> tuple[int, str, str]:
    """Run a command; return its exit code, what it printed and the error it ended with."""
    done = CliRunner().invoke(app, list(words))
    code = failure.show(done.exception) if done.exception else done.exit_code
    return code, done.stdout, str(getattr(done.exception, "message", ""))


def test_a_model_is_exported_added_listed_timed_and_removed(made: Made, tmp_path: Path) -> None:
    checkpoint, _ = made("Qwen2")
    code, said, _ = bough("export", str(checkpoint), str(tmp_path / "small"), "--precision", "int8", "--json")
    assert (code, json.loads(said)["precision"]) == (0, "int8")
    assert bough("model", "add", str(tmp_path / "small"))[0] == 0
    listed = json.loads(bough("model", "list", "--json")[1])
    assert (listed["name"], listed["used"], listed["licence"], listed["template"]) == (
        "small",
        True,
        "apache-2.0",
        "qwen",
    )
    code, said, _ = bough("model", "bench", "--context", "100", "--tokens", "4", "--json")
    assert (code, json.loads(said)["answer_ms"]["count"]) == (0, 40)
    assert bough("model", "remove", "small")[0] == 0
    assert bough("model", "list", "--json")[1] == ""


def test_a_licence_that_nobody_agreed_to_is_refused_and_yes_agrees(made: Made, tmp_path: Path) -> None:
    checkpoint, _ = made("Qwen2")
    assert bough("export", str(checkpoint), str(tmp_path / "own"), "--precision", "fp32", "--licence", "my-own")[0] == 0
    code, _, said = bough("model", "add", str(tmp_path / "own"))
    assert (code, "my-own" in said) == (1, True)
    assert bough("model", "add", "--yes", str(tmp_path / "own"))[0] == 0


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    assert bough("model", "bench")[:1] == (1,)
    assert "no model is named" in bough("model", "use", "nonesuch")[2]
    (tmp_path / "config.json").write_text('{"architectures": ["Starcoder2ForCausalLM"]}')
    code, _, said = bough("export", str(tmp_path), str(tmp_path / "out"))
    assert (code, "StarCoder2" in said) == (1, True)
