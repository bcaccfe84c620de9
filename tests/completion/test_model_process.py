"""A model behind the process: every door answers from it, and nothing that happens to it takes the rest along."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from bough_completion.endpoints.client import CompletionClient
from bough_completion.query import BUFFER, Query, Stats, Suggestion
from bough_completion.wire import Blob, Question, complete_request, suggestions_from
from bough_proto.v1 import completion_pb2_grpc as rpc

from tests.completion.processes import blobs, process
from tests.completion.test_http import TOKEN, send

MODELS = Path(__file__).parent / "model"
TAUGHT, TINY = MODELS / "taught", MODELS / "tiny"
TYPED, REST = "def work(till):\n    till.open_dr", "awer(coins, notes)"

WHY = "needs {}, of the extra that `pip install 'bough[cpu]'` brings"
pytest.importorskip("onnxruntime", reason=WHY.format("onnxruntime"))
pytest.importorskip("tokenizers", reason=WHY.format("tokenizers"))


@asynccontextmanager
async def serving(folder: Path, model: Path, *options: str) -> AsyncIterator[tuple[CompletionClient, int]]:
    """Run a process with a model until it says how that went; yield a client and the HTTP port."""
    socket, token = folder / "socket", folder / "token"
    token.write_text(TOKEN)
    http = ("--http", "0", "--token-file", str(token), "--model", str(model), "--device", "cpu")
    async with process(socket, *http, *options) as child, CompletionClient(str(socket)) as client:
        assert child.stdout is not None
        port = int(await child.stdout.readline())
        await until(client, lambda stats: "no model" not in stats.engine or bool(stats.notes))
        yield client, port


async def until(client: CompletionClient, holds: Callable[[Stats], bool]) -> Stats:
    """Wait until the statistics say so."""
    async with asyncio.timeout(60):
        while True:
            if holds(stats := await client.stats("/home/shop")):
                return stats
            await asyncio.sleep(0.02)


async def ask(client: CompletionClient, prefix: str, suffix: str = "\n", **more: object) -> list[Suggestion]:
    query = Query("b.py", prefix, suffix, **{"patience": 20.0, **more})  # type: ignore[arg-type]
    return await client.complete(Question("/home/shop", "test", query))


def run(talk: Callable[[CompletionClient, int], object], folder: Path, model: Path = TAUGHT, *options: str) -> None:
    async def serve() -> None:
        async with serving(folder, model, *options) as (client, port):
            await talk(client, port)  # type: ignore[misc]

    asyncio.run(serve())


def test_the_model_answers_after_the_repository_engine_and_in_its_place(tmp_path: Path) -> None:
    async def talk(client: CompletionClient, port: int) -> None:
        await client.feed("/home/shop", blobs(Blob("a.py", "till.open_drum(kit)\n" * 3)))
        async with grpc.aio.insecure_channel(f"unix:{tmp_path / 'socket'}") as channel:
            query = Query("b.py", TYPED, "\n", patience=20.0)
            request = complete_request(Question("/home/shop", "test", query))
            answers = [suggestions_from(each) async for each in rpc.CompletionServiceStub(channel).Complete(request)]
        first, last = answers[0][0], answers[-1][0]
        assert (first.text, first.engine) == ("um(kit)", "repository engine, no model")
        assert (last.text, last.source, last.engine) == (REST, "model", "taught fp32 on cpu")
        assert last.shown and last.confidence > 0.5
        through = await ask(client, TYPED + "awer(")
        assert through[0].text == "coins, notes)"  # from memory
        several = await ask(client, TYPED, limit=3)
        assert several[0].text == REST
        assert several[1].engine == "repository engine, no model"
        assert (await client.stats("/home/shop")).engine == "taught fp32 on cpu"

    run(talk, tmp_path)


def test_a_block_comes_where_one_begins_and_one_line_elsewhere(tmp_path: Path) -> None:
    async def talk(client: CompletionClient, port: int) -> None:
        begun = "class Basket:\n    def tot"
        block = await ask(client, begun, "\n", max_lines=9)
        assert block[0].text == "al(self):\n        return sum(self.prices)"
        assert (await ask(client, begun, "\n\n"))[0].text == "al(self):"
        assert (await ask(client, TYPED, "\n", max_lines=9))[0].text == REST
        closed = await ask(client, "def f(till):\n    till.open_drawer(co", ")\n")
        assert closed[0].text == "ins, notes"

    run(talk, tmp_path)


def test_what_no_one_can_be_sure_of_is_not_shown(tmp_path: Path) -> None:
    async def talk(client: CompletionClient, port: int) -> None:
        (guess,) = await ask(client, "x = 1\nguess.")
        assert guess.engine.startswith("taught") and not guess.shown
        reply = await asyncio.to_thread(
            send, port, "POST", "/api/generate", {"prompt": "x = 1\nguess.", "suffix": "\n"}
        )
        assert json.loads(reply[1].splitlines()[0])["response"] == ""

    run(talk, tmp_path)


def test_every_shape_answers_from_the_model(tmp_path: Path) -> None:
    async def talk(client: CompletionClient, port: int) -> None:
        above, _, line = TYPED.rpartition("\n")
        slow = {"t_max_predict_ms": 5000}
        infill = {"input_prefix": above + "\n", "prompt": line, "input_suffix": "\n", **slow}
        whole = {"prompt": TYPED, "suffix": "\n", "stream": False}
        segments = {"prefix": TYPED, "suffix": "\n", "filepath": "/home/shop/b.py"}

        async def post(path: str, content: dict[str, object]) -> str:
            """Ask until the answer is there: a busy machine may take longer than a door waits."""
            async with asyncio.timeout(60):
                while True:
                    status, body = await asyncio.to_thread(send, port, "POST", path, content)
                    assert status == 200
                    if REST in body or content.get("n_predict") == 0:
                        return body

        assert f'"content":"{REST}"' in await post("/infill", infill)
        assert '"content":""' in await post("/infill", infill | {"n_predict": 0})
        events = [
            json.loads(each[6:]) for each in (await post("/infill", infill | {"stream": True})).split("\n\n")[:-1]
        ]
        assert [(each["content"], each["stop"]) for each in events] == [(REST, False), ("", True)]
        assert json.loads(await post("/v1/completions", {"segments": segments}))["choices"][0]["text"] == REST
        alone = json.loads(await post("/v1/completions", whole | {"model": "bough-model", "logprobs": 1}))
        (choice,) = alone["choices"]
        assert (choice["text"], choice["finish_reason"]) == (REST, "stop")
        assert -0.7 < choice["logprobs"]["token_logprobs"][0] <= 0
        first, last, end = (await post("/v1/completions", whole | {"stream": True})).split("\n\n")[:3]
        assert json.loads(first[6:])["choices"][0]["text"] == REST
        assert json.loads(last[6:])["choices"][0]["finish_reason"] == "stop"
        assert end == "data: [DONE]"
        assert json.loads(await post("/api/generate", whole))["response"] == REST
        lines = [json.loads(each) for each in (await post("/api/generate", whole | {"stream": True})).splitlines()]
        assert [(each["response"], each["done"]) for each in lines] == [(REST, False), ("", True)]

    run(talk, tmp_path)


def test_a_file_that_is_opened_is_read_ahead(tmp_path: Path) -> None:
    async def talk(client: CompletionClient, port: int) -> None:
        await client.feed("/home/shop", blobs(Blob("b.py", "x = 1\n" * 30, BUFFER)))
        assert (await ask(client, "x = 1\n" * 30 + "till.open_dr"))[0].text == REST

    run(talk, tmp_path)


def child_of(parent: int) -> int:
    """Return the process that the model runs in."""
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc, to find the model's process")
def test_a_model_that_crashes_leaves_the_repository_engine_and_comes_back(tmp_path: Path) -> None:
    async def talk() -> None:
        socket = tmp_path / "socket"
        options = ("--model", str(TAUGHT), "--device", "cpu")
        async with process(socket, *options) as served, CompletionClient(str(socket)) as client:
            await client.feed("/home/shop", blobs(Blob("a.py", "till.open_drum(kit)\n" * 3)))
            await until(client, lambda stats: stats.engine.startswith("taught"))
            for number in (signal.SIGSEGV, signal.SIGKILL):
                os.kill(child_of(served.pid), number)
                stats = await until(client, lambda stats: bool(stats.notes))
                assert number.name in stats.notes[0] and "being restarted" in stats.notes[0]
                assert stats.engine == "repository engine, no model"
                assert (await ask(client, f"# {number}\n{TYPED}"))[0].text == "um(kit)"
                await until(client, lambda stats: stats.engine.startswith("taught") and not stats.notes)
                assert (await ask(client, f"# again {number}\n{TYPED}"))[0].text == REST

    asyncio.run(talk())


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc, to find the model's process")
def test_the_model_ends_with_a_process_that_is_killed_and_runs_at_low_priority(tmp_path: Path) -> None:
    async def talk() -> None:
        command = ("-m", "bough_completion", str(tmp_path / "socket"), "--model", str(TAUGHT), "--device", "cpu")
        pipe = asyncio.subprocess.PIPE
        served = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=pipe, stdout=pipe)
        async with CompletionClient(str(tmp_path / "socket")) as client:
            await until(client, lambda stats: stats.engine.startswith("taught"))
        child = Path(f"/proc/{child_of(served.pid)}")
        assert int((child / "stat").read_text().rpartition(")")[2].split()[16]) >= 10
        assert b"ORT_DISABLE_TELEMETRY=1" in (child / "environ").read_bytes().split(b"\0")
        assert (child / "oom_score_adj").read_text().strip() == "900"
        served.kill()
        await served.wait()
        async with asyncio.timeout(20):
            while True:
                if not child.exists() or (child / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    break
                await asyncio.sleep(0.02)

    asyncio.run(talk())


def damaged(folder: Path, name: str, damage: Callable[[Path], object]) -> Path:
    """Return a copy of a model in which something was done to a file."""
    model = folder / "damaged"
    shutil.copytree(TAUGHT, model)
    damage(model / name)
    return model


@pytest.mark.parametrize(
    ("name", "damage", "word"),
    [
        ("model.onnx.data", lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "damaged"),
        ("model.onnx", lambda path: path.unlink(), "lacks"),
        ("tokenizer.json", lambda path: path.write_text("{}"), "damaged"),
        ("manifest.json", lambda path: path.write_text("[1"), "cannot be read"),
        ("manifest.json", lambda path: path.unlink(), "no manifest.json"),
    ],
)
def test_a_damaged_model_is_named_and_the_repository_engine_answers(
    tmp_path: Path, name: str, damage: Callable[[Path], object], word: str
) -> None:
    async def talk(client: CompletionClient, port: int) -> None:
        (note,) = (await client.stats("/home/shop")).notes
        assert note.startswith("The model cannot be used") and word in note
        await client.feed("/home/shop", blobs(Blob("a.py", "till.open_drum(kit)\n" * 3)))
        assert (await ask(client, TYPED))[0].text == "um(kit)"

    run(talk, tmp_path, damaged(tmp_path, name, damage))


def test_a_model_that_needs_more_memory_than_it_may_use_is_not_loaded(tmp_path: Path) -> None:
    async def talk(client: CompletionClient, port: int) -> None:
        (note,) = (await client.stats("/home/shop")).notes
        assert "needs" in note and "may use 100" in note

    run(talk, tmp_path, TAUGHT, "--memory", "100")


def test_a_gpu_that_is_not_there_is_said_and_the_cpu_answers(tmp_path: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")

    async def talk(client: CompletionClient, port: int) -> None:
        stats = await until(client, lambda stats: stats.engine.startswith("taught"))
        assert "runs on the CPU" in stats.notes[0]
        assert (await ask(client, TYPED))[0].text == REST

    run(talk, tmp_path, TAUGHT, "--device", "cuda")


def test_whatever_is_sent_the_process_lives_and_answers(tmp_path: Path) -> None:
    async def talk(client: CompletionClient, port: int) -> None:
        garbage = "".join(map(chr, [*range(1, 0x300), 0x202E, 0xFFFD, 0x1F600])) * 40
        for prefix, suffix in [
            ("x = 1\n" * 300_000 + "till.open_dr", "\n"),
            ("", "y = 2\n" * 1_600_000),
            (garbage, garbage),
            ("x" * 2_000_000, ""),
            ("(" * 100_000, ")" * 100_000),
            ("<|fim_middle|><|endoftext|>\n", "<|fim_prefix|>"),
        ]:
            await ask(client, prefix, suffix, max_lines=9)
        assert (await ask(client, TYPED))[0].text == REST

    run(talk, tmp_path)


def test_a_client_that_goes_away_in_the_middle_stops_the_work(tmp_path: Path) -> None:
    async def talk(client: CompletionClient, port: int) -> None:
        for number in range(30):
            asking = asyncio.create_task(ask(client, f"x{number} = 1\n" * 60 + "till.open_dr"))
            await asyncio.sleep(0.003 * number)
            asking.cancel()
        assert (await ask(client, TYPED))[0].text == REST

    run(talk, tmp_path, TAUGHT)


def test_eight_editors_at_once_are_all_answered(tmp_path: Path) -> None:
    async def talk(client: CompletionClient, port: int) -> None:
        async def edit(number: int) -> str:
            query = Query(f"{number}.py", f"x = {number}\n" * (number + 1) + "till.open_dr", "\n", patience=30.0)
            found = await client.complete(Question("/home/shop", f"editor {number}", query))
            return found[0].text

        assert await asyncio.gather(*map(edit, range(8))) == [REST] * 8

    run(talk, tmp_path)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, to see every socket of the processes")
def test_no_socket_but_loopback_is_opened_while_a_model_serves(tmp_path: Path) -> None:
    async def talk() -> None:
        seen, socket, token = tmp_path / "seen", tmp_path / "socket", tmp_path / "token"
        token.write_text(TOKEN)
        watch = (
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=execve,socket,bind,connect,sendto,sendmsg,sendmmsg",
            "-o",
            str(seen),
        )
        command = (sys.executable, "-m", "bough_completion", str(socket), "--http", "0", "--token-file", str(token))
        pipe = asyncio.subprocess.PIPE
        served = await asyncio.create_subprocess_exec(
            *watch, *command, "--model", str(TAUGHT), "--device", "cpu", stdin=pipe, stdout=pipe
        )
        assert served.stdin is not None and served.stdout is not None
        port = int(await served.stdout.readline())
        async with CompletionClient(str(socket)) as client:
            await until(client, lambda stats: stats.engine.startswith("taught"))
            assert (await ask(client, TYPED))[0].text == REST
            assert (await asyncio.to_thread(send, port, "GET", "/health"))[0] == 200
        served.stdin.close()
        await asyncio.wait_for(served.wait(), 20)
        calls = seen.read_text().splitlines()
        assert any("execve" in line and "bough_completion.model.process" in line for line in calls)
        strange = [line for line in calls if "AF_INET" in line and "sa_family" in line and not _is_loopback(line)]
        assert strange == []
        assert not any(
            "AF_NETLINK" in line and "sa_family" in line and "nl_groups=00000000" not in line for line in calls
        )

    asyncio.run(talk())


def _is_loopback(call: str) -> bool:
    return 'inet_addr("127.' in call or 'inet_pton(AF_INET6, "::1"' in call
