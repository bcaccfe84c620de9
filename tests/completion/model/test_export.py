"""An export is whole and says what it is, or it is refused in words and leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bough_completion.errors import (
    AlreadyThere,
    BadCheckpoint,
    BadModel,
    ExportFailed,
    MissingLibrary,
    UnknownTemplate,
    UnsupportedArchitecture,
    UnsupportedPrecision,
)
from bough_completion.libraries import library
from bough_completion.model import manifest
from bough_completion.model.architectures import architecture_of, check_precision, is_mixable
from bough_completion.model.export import export, licence_of

from tests.completion.model import checkpoints
from tests.completion.model.conftest import Made, needs


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        ("Starcoder2ForCausalLM", "StarCoder2"),
        ("StableLmForCausalLM", "StableLM"),
        ("GPTBigCodeForCausalLM", "GPTBigCode"),
        ("MPTForCausalLM", "MPT"),
        ("BrandNewForCausalLM", "BrandNew"),
    ],
)
def test_what_the_builder_cannot_do_is_refused_by_name_before_anything_is_made(
    tmp_path: Path, architecture: str, said: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    with pytest.raises(UnsupportedArchitecture, match=said) as refused:
        export(tmp_path, tmp_path / "out", "int4")
    assert "Qwen2" in str(refused.value)  # and says what can be exported
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "config",
    [
        {"architectures": ["GraniteMoeHybridForCausalLM"], "layer_types": ["mamba", "attention"]},
        {"architectures": ["GraniteMoeHybridForCausalLM"], "num_local_experts": 8},
    ],
)
def test_a_model_that_could_not_be_rewound_or_routed_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedArchitecture):
        architecture_of(config)


@pytest.mark.parametrize(("precision", "device"), [("fp16", "cpu"), ("int2", "cuda"), ("int4", "npu")])
def test_a_precision_that_the_device_lacks_is_refused(precision: str, device: str) -> None:
    with pytest.raises(UnsupportedPrecision):
        check_precision(precision, device)


def test_a_folder_without_a_config_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint):
        export(tmp_path, tmp_path / "out", "int4")


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingLibrary, match=r"onnx is not installed.*bough\[export\]"):
        library("onnx")


def test_the_licence_is_read_from_the_front_matter(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    assert licence_of(tmp_path) == "unknown"
    readme.write_text("---\nlicense: other\nlicense_name: qwen-research\n---\n# A model\nlicense: none\n")
    assert licence_of(tmp_path) == "qwen-research"
    readme.write_text("---\ntags: [code]\n---\nlicense: mit\n")
    assert licence_of(tmp_path) == "unknown"


def test_the_manifest_says_how_to_serve_and_checks_every_file(made: Made) -> None:
    _, model = made("Qwen2")
    told = manifest.read(model)
    assert (told.architecture, told.precision, told.licence) == ("Qwen2ForCausalLM", "fp32", "apache-2.0")
    assert (told.context_tokens, told.vocabulary) == (512, checkpoints.VOCABULARY)
    assert told.template == "qwen"
    assert checkpoints.END in told.stop
    assert told.cache == manifest.CacheLayout(layers=3, heads=2, head_size=16, type="float32")
    assert set(told.files) == {each.name for each in model.iterdir()} - {manifest.FILE}
    manifest.verify(model, told)


def test_a_damaged_or_missing_file_is_named(made: Made, tmp_path: Path) -> None:
    _, model = made("Qwen2")
    for each in model.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    told = manifest.read(tmp_path)
    weights = tmp_path / "model.onnx.data"
    damaged = bytearray(weights.read_bytes())
    damaged[1000] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(BadModel, match=r"model\.onnx\.data is damaged"):
        manifest.verify(tmp_path, told)
    weights.unlink()
    with pytest.raises(BadModel, match=r"lacks model\.onnx\.data"):
        manifest.verify(tmp_path, told)


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"format": 99}'])
def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadModel):
        manifest.read(tmp_path)
    (tmp_path / manifest.FILE).write_text(text)
    with pytest.raises(BadModel):
        manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "mixed"),
    [
        ({}, True),
        ({"hidden_size": 896, "num_attention_heads": 14, "intermediate_size": 4864}, True),  # Qwen2.5-Coder-0.5B
        ({"hidden_size": 32, "num_attention_heads": 2}, False),
        ({"intermediate_size": 96}, False),
        ({"head_dim": 24}, False),
        ({"shared_intermediate_size": 160}, False),
    ],
)
def test_bits_are_chosen_by_matrix_where_every_row_has_an_even_number_of_blocks(
    changes: dict[str, int], mixed: bool
) -> None:
    assert is_mixable({**checkpoints.SHAPE, **changes}) == mixed


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("changes", [{}, {"hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 1}])
def test_int4_keeps_8_bits_where_they_matter_or_says_that_the_model_is_too_small(
    tmp_path: Path, device: str, changes: dict[str, int]
) -> None:
    needs("torch", "transformers", "onnx", "onnxruntime_genai", "onnxruntime", "tokenizers")
    import onnx

    checkpoint, said = checkpoints.make(tmp_path / "tiny", "Qwen2", **changes), list[str]()
    export(checkpoint, tmp_path / "model", "int4", device, say=said.append)
    graph = onnx.load(str(tmp_path / "model" / manifest.GRAPH), load_external_data=False).graph
    bits = {
        node.name: attribute.i
        for node in graph.node
        if node.op_type == "MatMulNBits"
        for attribute in node.attribute
        if attribute.name == "bits"
    }
    assert set(bits.values()) == ({4} if changes else {4, 8})
    assert changes or {each for name, each in bits.items() if "lm_head" in name} == {8}
    assert any("too small" in line for line in said) == bool(changes)


def test_a_target_that_exists_and_a_template_that_does_not_are_refused(made: Made) -> None:
    checkpoint, model = made("Qwen2")
    with pytest.raises(AlreadyThere):
        export(checkpoint, model, "fp32")
    with pytest.raises(UnknownTemplate, match="mellum"):
        export(checkpoint, model.with_name("other"), "fp32", template="nonesuch")


def test_a_checkpoint_without_weights_fails_in_the_builders_words_and_leaves_nothing(
    made: Made, tmp_path: Path
) -> None:
    checkpoint, _ = made("Qwen2")
    for each in checkpoint.iterdir():
        if each.suffix != ".safetensors":
            (tmp_path / each.name).write_bytes(each.read_bytes())
    with pytest.raises(ExportFailed, match="safetensors"):
        export(tmp_path, tmp_path / "out" / "model", "fp32")
    assert list((tmp_path / "out").iterdir()) == []
