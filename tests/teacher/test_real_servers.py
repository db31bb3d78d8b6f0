"""A real model behind real servers that speak the protocol each in its own way: it grades, and it writes.

    HORNBOOK_TEST_GGUF=SmolLM2-135M-Instruct.Q4_1.gguf pytest -m servers

llama-cpp-python's server answers HTTP 500 to a JSON schema; transformers' reads over it; `hornbook serve` follows it, so
that no answer of its is of another form. What the model is worth is not asked here: a grade is one that fits, and a row
is any text. transformers' server takes the likeliest token unless the model's generation_config.json says do_sample:
what makes rows differ is what is drawn.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hornbook.progress import Progress
from hornbook.teacher.client.client import Client
from hornbook.teacher.client.settings import settings_from
from hornbook.teacher.kinds.source import Order
from hornbook.teacher.kinds.template import load
from hornbook.teacher.llm import LlmGrader
from hornbook.teacher.rubrics import load as load_rubric
from hornbook.teacher.texts import write_kind

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3_600)]

ROWS = int(os.environ.get("HORNBOOK_TEST_ROWS", "50"))
LLAMA, TRANSFORMERS, HORNBOOK = "llama-cpp-python", "transformers serve", "hornbook serve"
NEEDED = {
    HORNBOOK: (),
    LLAMA: ("llama_cpp", "uvicorn", "sse_starlette"),
    TRANSFORMERS: ("accelerate", "fastapi", "uvicorn", "openai"),
}
LACKING = {
    LLAMA: "no server of llama-cpp-python here: it takes ten minutes to compile",
    TRANSFORMERS: "no server of transformers here: its extra, serving, brings it",
}
START_SECONDS = 300  # until a server has its model

RUBRIC = '''
prompt = """
How much does this text teach? 0: nothing, 5: very much.

{text}

Say why in one short sentence, then give the number.
"""
characters = 300
max_tokens = 64
'''
TEMPLATE = """
prompt = "Write two sentences about {thing} for {reader}."
temperature = 0.8
max_tokens = 48

[draw.thing]
choose = ["bread", "rain", "a bridge", "iron", "bees", "the moon", "salt", "a clock", "snow", "paper"]

[draw.reader]
choose = ["a child", "a cook", "a sailor", "a doctor", "a farmer", "a judge", "a painter", "a baker", "a pilot", "a king",
    "a dancer", "a miner"]

[answer]
text = "the two sentences"

[text]
document = "{text}"
"""


class Heard(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def gguf() -> Path:
    """The model: any small one that chats."""
    path = Path(os.environ.get("HORNBOOK_TEST_GGUF", ""))
    if not path.is_file():
        pytest.skip("HORNBOOK_TEST_GGUF names no file")
    return path


@pytest.fixture(scope="module", params=[HORNBOOK, LLAMA, TRANSFORMERS])
def server(request: pytest.FixtureRequest, gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a server, and its address: `NAME URL#MODEL`."""
    name: str = request.param
    if any(importlib.util.find_spec(module) is None for module in NEEDED[name]):
        pytest.skip(LACKING[name])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    if name == LLAMA:
        model = "smol"
        words = ["-m", "llama_cpp.server", "--model", str(gguf), "--model_alias", model, "--n_ctx", "4096"]
        words += ["--n_threads", "1", "--n_threads_batch", "1"]
    else:
        model = str(tmp_path_factory.mktemp("model") / "smol")
        made = [sys.executable, "-m", "hornbook", "model", "import", str(gguf), "--into", model]
        subprocess.run(made, check=True, capture_output=True)
        words = ["-m", "transformers.cli.transformers", "serve", model, "--device", "cpu"]
        if name == HORNBOOK:
            words, model = ["-m", "hornbook", "serve", model], "smol"
    log = tmp_path_factory.mktemp("log") / "server.log"
    with serving([sys.executable, *words, "--host", "127.0.0.1", "--port", port], log, port):
        yield f"{name} http://127.0.0.1:{port}/v1#{model}"


@contextmanager
def serving(words: list[str], log: Path, port: str) -> Iterator[None]:
    """Run a server until the block ends; it has its model when it begins."""
    with log.open("wb") as out, subprocess.Popen(words, stdout=out, stderr=out) as process:
        try:
            until = time.monotonic() + START_SECONDS
            while not answers(f"http://127.0.0.1:{port}/v1/models"):
                assert process.poll() is None and time.monotonic() < until, log.read_text(errors="replace")[-2000:]
                time.sleep(0.5)
            yield
        finally:
            process.kill()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture
def ask(server: str, tmp_path: Path) -> Callable[[Progress], Client]:
    """A client of the server: two requests at once, because there is one small model."""
    address = server.rsplit(maxsplit=1)[-1]
    settings = settings_from([address], cache=tmp_path / "cache", timeout=600.0, start=2, most=2)
    return lambda progress: Client(settings, progress)


def test_it_grades_documents(server: str, ask: Callable[[Progress], Client], tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text(RUBRIC)
    write_kind(Order(load("stories"), ROWS), None, into=tmp_path / "stories")
    texts = pq.read_table(tmp_path / "stories" / "documents", columns=["text"])["text"].to_pylist()
    heard = Heard()
    with ask(heard) as client:
        grades = LlmGrader(client, load_rubric("short.toml", tmp_path)).grade(texts)
        figures = client.figures
    given = [grade for grade in grades if grade is not None]
    print(
        f"\n{server}: {len(given)} of {len(grades)} graded; {figures.line()}; {figures.as_dict()['retried']}; {heard.said}"
    )
    assert len(grades) == ROWS == figures.asked
    assert all(0 <= grade.score <= 5 and grade.reason for grade in given)
    assert not figures.retried.keys() & {"http 500", "http 422", "http 400", "damaged", "cut"}
    assert figures.retried["unsupported"] <= 2  # those that were on their way together
    assert len(given) >= ROWS * 0.6
    if server.startswith(HORNBOOK):
        assert len(given) == ROWS and not figures.retried


def test_it_writes_plain_rows(server: str, ask: Callable[[Progress], Client], tmp_path: Path) -> None:
    (tmp_path / "things.toml").write_text(TEMPLATE)
    with ask(Progress()) as client:
        figures = write_kind(Order(load(str(tmp_path / "things.toml")), ROWS), client, into=tmp_path / "out")
        print(f"\n{server}: {figures['documents']} of {figures['asked']} rows; {client.figures.line()}")
        assert not client.figures.retried
    assert figures["documents"] == ROWS
