"""The benchmark for GPUs runs where time is lent: what it measured before it was cut is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import bough_completion
import pytest

from tests.completion.model.conftest import needs

BENCH = Path(__file__).parents[2] / "bench"
CUT = """
import sys, time
from pathlib import Path
from completion_gpu import GpuRecord
record = GpuRecord(Path(sys.argv[1]))
record.stage("first", lambda: {"p50": 1.5})
record.stage("second", lambda: [])
record.stage("third", lambda: time.sleep(600))
"""


def environment() -> dict[str, str]:
    """Let the benchmark find its neighbours and the product."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(BENCH), str(Path(bough_completion.__file__).parents[1])))}


def test_a_run_that_is_killed_keeps_every_stage_that_had_ended(tmp_path: Path) -> None:
    out = tmp_path / "results" / "gpu.jsonl"
    with subprocess.Popen([sys.executable, "-c", CUT, str(out)], env=environment(), stderr=subprocess.PIPE) as cut:
        assert cut.stderr is not None
        while not cut.stderr.readline().startswith(b"third"):
            assert cut.poll() is None
        cut.kill()
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["stage"], line["found"]) for line in lines] == [("first", {"p50": 1.5}), ("second", [])]


@pytest.mark.timeout(600)
def test_its_tiny_form_runs_whole_on_the_cpu(tmp_path: Path) -> None:
    needs("torch", "transformers", "onnx", "onnxruntime_genai", "onnxruntime", "tokenizers")
    out = tmp_path / "gpu.jsonl"
    command = [sys.executable, str(BENCH / "completion_gpu.py"), "--tiny", "--device", "cpu", "--precision", "int8"]
    subprocess.run([*command, "--rounds", "1", "--out", str(out)], check=True, env=environment(), capture_output=True)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[-1]["stage"] == "whole_process_12_tokens_8_editors"
