"""A checkpoint comes from a hub whole and checked, or the next try goes on where this one ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_completion.errors import DownloadFailed
from bough_completion.model.download import Hub

from tests.completion.model.hub import COMMIT, LocalHub, serving

pytest.importorskip(
    "huggingface_hub", reason="needs huggingface_hub, of the extra that `pip install 'bough[cpu]'` brings"
)

SOURCE = "owner/name"
WEIGHTS = bytes(range(256)) * 4000
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "model.safetensors": WEIGHTS,
    "modeling.py": b"print('code is not wanted')",
    "pytorch_model.bin": b"nor are pickles",
}
WANTED = {"config.json", "tokenizer.json", "model.safetensors"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A hub with one model."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    # Blocks of 10 MB would swallow these small files whole.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)
    folder = tmp_path / "hub" / SOURCE
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    with serving(tmp_path / "hub") as served:
        yield served


def here(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_what_an_export_reads_arrives_and_nothing_else(hub: LocalHub, tmp_path: Path) -> None:
    told: dict[str, tuple[int, int]] = {}
    client = Hub(hub.endpoint)
    remote = client.look(SOURCE)
    assert (remote.commit, remote.licence) == (COMMIT, "apache-2.0")
    client.fetch(remote, tmp_path / "out", lambda name, had, total: told.update({name: (had, total)}))
    assert here(tmp_path / "out") == {name: FILES[name] for name in WANTED}
    assert told["model.safetensors"] == (len(WEIGHTS), len(WEIGHTS))


def test_a_broken_download_goes_on_where_it_ended(hub: LocalHub, tmp_path: Path) -> None:
    client, out = Hub(hub.endpoint), tmp_path / "out"
    hub.break_after = 300_000
    with pytest.raises(DownloadFailed, match="broke off"):
        client.fetch(client.look(SOURCE), out)
    part = next(each for each in out.iterdir() if each.suffix == ".part")
    assert 0 < part.stat().st_size <= 300_000
    hub.break_after = None
    hub.asked.clear()
    had = part.stat().st_size
    client.fetch(client.look(SOURCE), out)
    assert [asked for path, asked in hub.asked if path.endswith(".safetensors")] == [f"bytes={had}-"]
    assert here(out)["model.safetensors"] == WEIGHTS


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_wrong_checksum_is_thrown_away(hub: LocalHub, tmp_path: Path, name: str) -> None:
    client, out = Hub(hub.endpoint), tmp_path / "out"
    hub.lie = name
    with pytest.raises(DownloadFailed, match="wrong checksum"):
        client.fetch(client.look(SOURCE), out)
    assert not any(each.name.startswith(name) for each in out.iterdir())
    hub.lie = ""
    client.fetch(client.look(SOURCE), out)
    assert set(here(out)) == WANTED


def test_a_file_name_that_leaves_the_folder_is_not_asked_for(hub: LocalHub) -> None:
    hub.extra = ["../evil.json", "sub/evil.json", "..\\evil.json", "/etc/evil.json"]
    assert {each.name for each in Hub(hub.endpoint).look(SOURCE).files} == WANTED


def test_a_licence_of_its_own_is_named(hub: LocalHub) -> None:
    hub.licence = {"license": "other", "license_name": "qwen-research"}
    assert Hub(hub.endpoint).look(SOURCE).licence == "qwen-research"


def test_no_such_model_and_no_hub_are_said(hub: LocalHub) -> None:
    with pytest.raises(DownloadFailed, match="owner/nonesuch"):
        Hub(hub.endpoint).look("owner/nonesuch")
    with pytest.raises(DownloadFailed):
        Hub("http://127.0.0.1:9").look(SOURCE)
