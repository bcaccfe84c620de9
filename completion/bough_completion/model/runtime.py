"""ONNX Runtime on the available device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bough_completion.errors import BadModel, Stopped
from bough_completion.libraries import library

QUIET = 4  # ORT logs what it also raises; only its fatal level stays
# ONNX Runtime's name for one captured graph among several; this one is run launch by launch.
# https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html, "Using CUDA Graphs"
GRAPH_ID = "gpu_graph_id"
UNCAPTURED = (GRAPH_ID, "-1")
RUNS_BEFORE_CAPTURE = 2


@dataclass(frozen=True)
class RuntimeSettings:
    """Limits and options of serving.

    `device` is `cpu`, `cuda`, or `auto` for a GPU if there is one. `threads` limits the cores of a run on the CPU.
    `slots` is how many editors keep their context decoded, `window_tokens` how long each may be: together they
    determine the memory of the cache. `chunk_tokens` limits a prefill run, and so how long one editor waits for
    another's. `draft_tokens` is how many drafted tokens one run verifies, right or wrong: on the CPU each costs about a
    quarter of a run (60 M int4), on a GPU next to nothing. `memory_mib` limits what a GPU gives to the graph.
    `fixed_shapes` pads runs of a few tokens to few shapes, so that a GPU captures each as one launch; None: on a GPU
    only.
    """

    device: str = "auto"
    threads: int = 2
    slots: int = 2
    window_tokens: int = 2048
    chunk_tokens: int = 128
    draft_tokens: int = 4
    memory_mib: int | None = None
    fixed_shapes: bool | None = None


class Stop:
    """Ask the runs of one request to end; any thread may, at any moment."""

    def __init__(self) -> None:
        self.options = library("onnxruntime").RunOptions()
        self.options.log_severity_level = QUIET
        self.options.add_run_config_entry(*UNCAPTURED)
        self.asked = False

    def ask(self) -> None:
        """End the current run before its next node, and every later one at once."""
        self.asked = True
        self.options.terminate = True


def cuda_wanted(settings: RuntimeSettings) -> bool:
    """Return whether a GPU is wanted and this ONNX Runtime can use one."""
    return settings.device != "cpu" and "CUDAExecutionProvider" in library("onnxruntime").get_available_providers()


class Runtime:
    """Open graphs on one device."""

    def __init__(self, settings: RuntimeSettings, say: Callable[[str], None]) -> None:
        """Choose the device; `say` is called if a wanted GPU is not available and the CPU is used instead."""
        self._ort = library("onnxruntime")
        self._settings = settings
        self._say = say
        self._plain = self._run_options(UNCAPTURED)
        self._captured: dict[int, Any] = {}
        self.device = "cuda" if cuda_wanted(settings) else "cpu"
        if self.device != settings.device == "cuda":
            say("This ONNX Runtime has no CUDA; the model runs on the CPU. `pip install 'bough[gpu]'` brings it.")
        if self.device == "cuda":
            self._ort.preload_dlls()  # CUDA's libraries may be in pip's packages, which the linker does not search

    def open(self, graph: Path, captures: bool = False) -> Any:
        """Return an `InferenceSession` of `graph`, which can capture runs if `captures`.

        Raise `BadModel` if it cannot be loaded.
        """
        try:
            session = self._ort.InferenceSession(str(graph), self._options(), providers=self._providers(captures))
        except Exception as error:  # ORT's exceptions have no common base
            raise BadModel(f"{graph} cannot be loaded: {error}") from error
        if self.device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
            self._say("The GPU could not be started; the model runs on the CPU.")
            self.device = "cpu"
        return session

    def allocate(self, shape: list[int], kind: Any) -> Any:
        """Return zeroed memory on the device as an `OrtValue` of `kind[shape]`."""
        return self._ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, kind), self.device, 0)

    def run(self, session: Any, binding: Any, stop: Stop | None = None) -> None:
        """Run `session` on what is bound, the interpreter's lock released; raise `Stopped` when `stop` ended it."""
        try:
            session.run_with_iobinding(binding, stop.options if stop else self._plain)
        except Exception as error:
            if stop is not None and stop.asked:
                raise Stopped("the run was stopped") from error
            raise

    def replay(self, session: Any, binding: Any, number: int) -> None:
        """Run `session` as the captured graph `number`; the first time, ONNX Runtime runs it twice to capture it.

        Before that it is run normally: its kernels' allocations must be in the arena by then, because memory that is
        allocated during a capture ends it (CUDA's error 901).
        """
        if number not in self._captured:
            for _ in range(RUNS_BEFORE_CAPTURE):
                session.run_with_iobinding(binding, self._plain)
            self._captured[number] = self._run_options((GRAPH_ID, str(number)))
        session.run_with_iobinding(binding, self._captured[number])

    def _run_options(self, entry: tuple[str, str]) -> Any:
        options = self._ort.RunOptions()
        options.add_run_config_entry(*entry)
        return options

    def _providers(self, captures: bool) -> list[Any]:
        # Growing by powers of two leaves the arena space for allocations during a capture; TF32 would make fp32
        # inexact, and the other types do not use it.
        told = {"arena_extend_strategy": "kNextPowerOfTwo", "use_tf32": "0"}
        if captures:
            told["enable_cuda_graph"] = "1"
        if self._settings.memory_mib is not None:
            told["gpu_mem_limit"] = str(self._settings.memory_mib << 20)
        return (
            [("CUDAExecutionProvider", told), "CPUExecutionProvider"]
            if self.device == "cuda"
            else ["CPUExecutionProvider"]
        )

    def _options(self) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = self._settings.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A thread that spins for the few microseconds between two nodes is there when the next one begins: 94 ms an
        # answer against 123 asleep (60 M int4, 16 tokens, 2 cores). One that spins without end, ONNX Runtime's way,
        # is no faster, and while a compiler runs it takes the core that the other thread waits for: 261 ms against 162.
        options.add_session_config_entry("session.intra_op.spin_duration_us", "20")
        return options
