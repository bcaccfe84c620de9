"""Edits of the exported graph, on the protobuf alone: weights stay in their own file, untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bough_completion.errors import UnsupportedArchitecture
from bough_completion.libraries import library
from bough_completion.model.manifest import CacheLayout

ROWS = "logit_rows"
LOGITS = "logits"
BEST, CHANCE = "best", "chance"
FED = ("input_ids", "attention_mask")
SHAPE = "/lm_head/rows/shape"
ONE = "/pick/one"
PAST = "past_key_values."
PRESENT = "present."

# The nodes that the builder's `prune_lm_head` puts before the head (builders/base.py, make_lm_head).
PRUNE = ("/lm_head/prune/Gather", "/lm_head/prune/Unsqueeze")


def ask_for_rows(path: Path) -> None:
    """Replace the graph's pruned last row by an input that selects the rows with logits.

    `logit_rows: int64[rows]` indexes the flattened `[batch * tokens]` of the run, and `logits` becomes `[rows,
    vocabulary]`: one row for cheap prefill, k + 1 rows to verify k drafted tokens, a row of each member of a batch.
    Reshape and Gather are the whole cost. Raise `UnsupportedArchitecture` if the graph does not have the form that is
    served.
    """
    onnx = library("onnx")
    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    _check_inputs(graph)
    nodes = {node.name: node for node in graph.node}
    if not all(name in nodes for name in PRUNE):
        raise UnsupportedArchitecture("the exporter left no pruned row in the graph: its version is not known to Bough")
    gather, unsqueeze = (nodes[name] for name in PRUNE)
    width = _width_of(graph, gather.output[0])
    _replace(graph, gather, unsqueeze, _selection(onnx, gather.input[0], unsqueeze.output[0]))
    _drop_unused(graph)
    graph.initializer.append(onnx.helper.make_tensor(SHAPE, onnx.TensorProto.INT64, [2], [-1, width]))
    graph.input.append(onnx.helper.make_tensor_value_info(ROWS, onnx.TensorProto.INT64, ["rows"]))
    _flatten_logits(graph)
    onnx.save(model, str(path))


def pick_best(path: Path) -> None:
    """Add the most likely token of each row and its probability to the graph's outputs.

    `best: int64[rows, 1]` and `chance: float32[rows, 1]` are a few bytes a row, where `logits` are a row of the whole
    vocabulary that would have to leave the device and be searched by NumPy. Softmax is taken in fp32: halves would
    round away the differences between tokens that are nearly as likely.
    """
    onnx = library("onnx")
    model = onnx.load(str(path), load_external_data=False)
    kinds, node, value = onnx.TensorProto, onnx.helper.make_node, onnx.helper.make_tensor_value_info
    model.graph.initializer.append(onnx.helper.make_tensor(ONE, kinds.INT64, [1], [1]))
    model.graph.node.extend(
        (
            node("Cast", [LOGITS], ["/pick/float"], name="/pick/Cast", to=kinds.FLOAT),
            node("Softmax", ["/pick/float"], ["/pick/chances"], name="/pick/Softmax", axis=-1),
            node("TopK", ["/pick/chances", ONE], [CHANCE, BEST], name="/pick/TopK", axis=-1),
        )
    )
    model.graph.output.extend((value(CHANCE, kinds.FLOAT, ["rows", 1]), value(BEST, kinds.INT64, ["rows", 1])))
    onnx.save(model, str(path))


def write_copier(path: Path, cache: CacheLayout) -> None:
    """Write a graph that copies one slot's keys and values onto another's, device to device.

    Plain ONNX Runtime has no call that copies within a device; `Identity`, bound to two slots of one buffer, does.
    """
    onnx = library("onnx")
    kind = onnx.TensorProto.FLOAT16 if cache.type == "float16" else onnx.TensorProto.FLOAT
    shape = [1, cache.heads, "window", cache.head_size]
    names = cache_names(cache.layers)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", [past], [present]) for past, present in names],
        "copy",
        [onnx.helper.make_tensor_value_info(past, kind, shape) for past, _ in names],
        [onnx.helper.make_tensor_value_info(present, kind, shape) for _, present in names],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, str(path))


def cache_names(layers: int) -> list[tuple[str, str]]:
    """Return the names of every past input with its present output."""
    sides = [f"{layer}.{side}" for layer in range(layers) for side in ("key", "value")]
    return [(PAST + each, PRESENT + each) for each in sides]


def _check_inputs(graph: Any) -> None:
    strange = [each.name for each in graph.input if each.name not in FED and not each.name.startswith(PAST)]
    if strange:
        raise UnsupportedArchitecture(f"the exported graph asks for {', '.join(strange)}, which Bough does not feed")


def _selection(onnx: Any, hidden: str, chosen: str) -> list[Any]:
    flat = "/lm_head/rows/Reshape/output_0"
    return [
        onnx.helper.make_node("Reshape", [hidden, SHAPE], [flat], name="/lm_head/rows/Reshape"),
        onnx.helper.make_node("Gather", [flat, ROWS], [chosen], name="/lm_head/rows/Gather", axis=0),
    ]


def _replace(graph: Any, gather: Any, unsqueeze: Any, nodes: list[Any]) -> None:
    place = list(graph.node).index(gather)
    graph.node.remove(gather)
    graph.node.remove(unsqueeze)
    for offset, node in enumerate(nodes):
        graph.node.insert(place + offset, node)


def _flatten_logits(graph: Any) -> None:
    """Remove the batch dimension from every shape that the head states."""
    for value in [each for each in graph.value_info if each.name.startswith("/lm_head/")]:
        graph.value_info.remove(value)
    shape = next(each for each in graph.output if each.name == LOGITS).type.tensor_type.shape
    del shape.dim[0]
    shape.dim[0].dim_param = "rows"


def _drop_unused(graph: Any) -> None:
    """Remove the constant that only the pruned row used."""
    used = {name for node in graph.node for name in node.input}
    for unused in [each for each in graph.initializer if each.name not in used]:
        graph.initializer.remove(unused)


def _width_of(graph: Any, value: str) -> int:
    shape = next(each.type.tensor_type.shape for each in graph.value_info if each.name == value)
    return int(shape.dim[-1].dim_value)
