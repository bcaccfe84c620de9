"""Models are added by name, id or folder, used, and removed; a licence that is not free is asked about first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_completion.errors import (
    AlreadyThere,
    BadModel,
    DownloadFailed,
    LicenceRefused,
    UnknownModel,
    UnsupportedArchitecture,
)
from bough_completion.model import manifest
from bough_completion.model.download import Hub
from bough_completion.model.shelf import Shelf, Terms
from bough_completion.prompt.registry import KNOWN, known
from bough_completion.prompt.template import TEMPLATES

from tests.completion.model.conftest import Made, needs
from tests.completion.model.hub import LocalHub, serving

THREE_B = "Qwen/Qwen2.5-Coder-3B"


class Asked:
    """Agree or not, and remember what was asked."""

    def __init__(self, agree: bool = False) -> None:
        self.agrees = agree
        self.questions: list[tuple[str, str]] = []

    def __call__(self, model: str, licence: str) -> bool:
        self.questions.append((model, licence))
        return self.agrees


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "models")


@pytest.fixture
def hub(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A hub that has a tiny model under the ids of two known ones."""
    needs("huggingface_hub")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    # Blocks of 10 MB would swallow these small files whole.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)
    checkpoint, _ = made("Qwen2")
    for source in ("Qwen/Qwen2.5-Coder-1.5B", THREE_B):
        shutil.copytree(checkpoint, tmp_path / "hub" / source)
    with serving(tmp_path / "hub") as served:
        yield served


def terms(hub: LocalHub, asked: Asked) -> Terms:
    return Terms(asked, "fp32", "cpu", lambda: Hub(hub.endpoint))


def test_the_registry_knows_what_the_readme_names() -> None:
    licences = {each.source: each.licence for each in KNOWN.values()}
    assert licences["JetBrains/Mellum-4b-sft-all"] == "apache-2.0"
    assert licences["ibm-granite/granite-4.0-micro-base"] == "apache-2.0"
    assert licences["Qwen/Qwen2.5-Coder-1.5B"] == "apache-2.0"
    assert licences[THREE_B] == "qwen-research"
    assert {each.template for each in KNOWN.values()} <= set(TEMPLATES)
    assert known("mellum-4B-SFT-all") == known("jetbrains/mellum-4b-sft-all") != None  # noqa: E711


def test_a_known_name_is_downloaded_exported_and_used_unasked(hub: LocalHub, shelf: Shelf) -> None:
    asked = Asked()
    item = shelf.add("qwen2.5-coder-1.5b", terms(hub, asked))
    assert asked.questions == []
    assert (item.name, item.used, item.manifest.licence) == ("Qwen2.5-Coder-1.5B-fp32", True, "apache-2.0")
    assert [each.name for each in shelf.items()] == [item.name]
    assert list((shelf.folder / ".arriving").iterdir()) == []  # the checkpoint is not kept twice
    with pytest.raises(AlreadyThere):
        shelf.add("Qwen2.5-Coder-1.5B", terms(hub, asked))


def test_a_research_licence_is_asked_about_before_anything_large_comes(hub: LocalHub, shelf: Shelf) -> None:
    asked = Asked(agree=False)
    with pytest.raises(LicenceRefused, match="qwen-research"):
        shelf.add("Qwen2.5-Coder-3B", terms(hub, asked))
    assert asked.questions == [(THREE_B, "qwen-research")]
    assert not [path for path, _ in hub.asked if "resolve" in path]
    assert shelf.add("Qwen2.5-Coder-3B", terms(hub, Asked(agree=True))).used


def test_an_architecture_that_cannot_be_exported_is_told_before_its_weights_come(hub: LocalHub, shelf: Shelf) -> None:
    folder = hub.folder / "bigcode" / "starcoder2-3b"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architectures": ["Starcoder2ForCausalLM"]}))
    (folder / "model.safetensors").write_bytes(b"large")
    with pytest.raises(UnsupportedArchitecture, match="StarCoder2"):
        shelf.add("bigcode/starcoder2-3b", terms(hub, Asked(agree=True)))
    assert not [path for path, _ in hub.asked if path.endswith(".safetensors")]


def test_a_broken_download_is_continued_by_the_next_add(hub: LocalHub, shelf: Shelf) -> None:
    hub.break_after = 100_000
    with pytest.raises(DownloadFailed):
        shelf.add("Qwen2.5-Coder-1.5B", terms(hub, Asked()))
    assert shelf.items() == []
    hub.break_after = None
    assert shelf.add("Qwen2.5-Coder-1.5B", terms(hub, Asked())).used
    assert "bytes=" in next(asked for path, asked in reversed(hub.asked) if path.endswith(".safetensors"))


def test_folders_of_both_kinds_are_added_used_and_removed(made: Made, shelf: Shelf) -> None:
    checkpoint, model = made("Qwen2")
    quiet = Terms(Asked(), "fp32")
    first = shelf.add(str(model), quiet)
    second = shelf.add(str(checkpoint), quiet)
    assert {(each.name, each.used) for each in shelf.items()} == {(first.name, True), (second.name, False)}
    assert shelf.use(second.name).used
    assert shelf.used() == shelf.items()[[each.name for each in shelf.items()].index(second.name)]
    shelf.remove(second.name)
    assert shelf.used() is None
    assert [each.name for each in shelf.items()] == [first.name]
    manifest.verify(first.folder, first.manifest)


def test_a_damaged_model_is_not_used(made: Made, shelf: Shelf) -> None:
    _, model = made("Qwen2")
    item = shelf.add(str(model), Terms(Asked(), "fp32"))
    (item.folder / "tokenizer.json").write_text("{}")
    with pytest.raises(BadModel, match=r"tokenizer\.json is damaged"):
        shelf.use(item.name)


def test_what_is_not_there_is_said(shelf: Shelf) -> None:
    assert shelf.items() == []
    assert shelf.used() is None
    with pytest.raises(UnknownModel, match="none yet"):
        shelf.use("nonesuch")
    with pytest.raises(UnknownModel, match="hub id"):
        shelf.add("nonesuch", Terms(Asked()))
