"""What code a result depends on follows from imports, and neither comments nor docstrings change it."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from hornbook.recipe import ORDER
from hornbook.runs import code
from hornbook.runs.code import code_digest, modules


def forget() -> None:
    """As a later process would begin."""
    for one in (code.modules, code._imports, code._told, code._digest, code._remembered):
        one.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """A package of its own in the place of this one; writes a module, forgets what was read before."""
    monkeypatch.setattr(code, "ROOT", tmp_path / "package")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(name: str, text: str) -> None:
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        forget()

    write("a.py", "from hornbook.b import f\n")
    write("b.py", "def f(x):\n    return x + 1\n")
    yield write
    forget()


def test_what_is_imported_counts_wherever_the_import_stands(package) -> None:  # type: ignore[no-untyped-def]
    package("c/__init__.py", "")
    package("c/d.py", "import os\n")
    package("a.py", "import os\ndef g():\n    from hornbook.c import d\n    import hornbook.b\n")
    assert modules("hornbook.a") == {"hornbook.a", "hornbook.b", "hornbook.c", "hornbook.c.d"}


def test_what_only_a_type_checker_or_a_person_sees_does_not_count(package) -> None:  # type: ignore[no-untyped-def]
    package("c.py", "")
    package("errors.py", "")
    package("runs/stage.py", "")
    package(
        "a.py",
        "from typing import TYPE_CHECKING\nfrom hornbook import errors\nfrom hornbook.runs.stage import Stage\n"
        "if TYPE_CHECKING:\n    from hornbook.c import x\n",
    )
    assert modules("hornbook.a") == {"hornbook.a"}


def test_comments_docstrings_and_layout_change_nothing(package) -> None:  # type: ignore[no-untyped-def]
    before = code_digest("hornbook.a")
    package("b.py", '"""Words."""\n\n\ndef f(x):  # why\n    """More words."""\n    return (x +\n            1)\n')
    assert code_digest("hornbook.a") == before
    package("b.py", '"""Words."""\n\n\ndef f(x):\n    """More words."""\n    return x + 2\n')
    assert code_digest("hornbook.a") != before


def test_what_was_parsed_once_is_known_later(package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    parsed, parse = [], ast.parse
    monkeypatch.setattr(ast, "parse", lambda text: parsed.append(text) or parse(text))
    package("c.py", "import hornbook.b\n")
    first = code_digest("hornbook.c"), modules("hornbook.c")
    assert len(parsed) == 2
    forget()
    assert (code_digest("hornbook.c"), modules("hornbook.c")) == first
    assert len(parsed) == 2
    package("b.py", "def f(x):\n    return x + 3\n")
    assert code_digest("hornbook.c") != first[0]
    assert len(parsed) == 3
    [kept] = (tmp_path / "cache").rglob("modules.json")
    for damage in ("", kept.read_text().replace("[", "{", 1), kept.read_text()[:-9], '{"key": 1}'):
        kept.write_text(damage)
        forget()
        package("b.py", "def f(x):\n    return x + 1\n")
        assert code_digest("hornbook.c") == first[0]
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/dev/null")
    forget()
    assert code_digest("hornbook.c") == first[0], "nothing can be kept"


def test_a_string_that_is_no_docstring_counts(package) -> None:  # type: ignore[no-untyped-def]
    digests = []
    for text in ("'a'", "'b'", "b'a'", "1", "1.0", "True"):
        package("b.py", f"def f(x):\n    return {text}\n")
        digests.append(code_digest("hornbook.a"))
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    "look", ["from pathlib import Path\nP = Path(__file__)\n", "from importlib import resources\n"]
)
def test_templates_beside_a_package_count(package, look: str) -> None:  # type: ignore[no-untyped-def]
    package("c/__init__.py", "")
    package("c/d.py", look)
    package("a.py", "from hornbook.c import d\n")
    before = code_digest("hornbook.a")
    package("c/page.html", "<p>")
    page = code_digest("hornbook.a")
    package("c/templates/words/nouns.txt", "cat")
    assert len({before, page, code_digest("hornbook.a")}) == 3


def test_templates_count_only_where_a_module_that_is_run_looks_for_them(package) -> None:  # type: ignore[no-untyped-def]
    """A package's settings need none of its templates, though its front page comes along with them."""
    package("c/__init__.py", "")
    package("c/settings.py", "")
    package("c/templates.py", "FOLDER = __file__\n")
    package("a.py", "from hornbook.c import settings\n")
    before = code_digest("hornbook.a")
    package("c/templates/words.txt", "cat")
    assert code_digest("hornbook.a") == before
    package("a.py", "from hornbook.c import settings, templates\n")
    reads = code_digest("hornbook.a")
    package("c/templates/words.txt", "dog")
    assert code_digest("hornbook.a") != reads


def test_templates_of_a_room_count_where_a_module_above_them_reads_them(package) -> None:  # type: ignore[no-untyped-def]
    package("c/__init__.py", "")
    package("c/page.py", "FOLDER = __file__\n")
    package("c/parts/__init__.py", "")
    package("c/parts/table.py", "")
    package("a.py", "from hornbook.c.page import FOLDER\nfrom hornbook.c.parts import table\n")
    before = code_digest("hornbook.a")
    package("c/parts/table.html", "<table>")
    assert code_digest("hornbook.a") != before


@pytest.mark.parametrize(
    ("stage", "data", "counts"),
    [
        ("report", "report/sections/chain.html", True),
        ("report", "report/style.css", True),
        ("write", "teacher/templates/builtin/safety.toml", True),
        ("evaluate", "evaluate/benchmarks/gsm8k.toml", True),
        ("pretrain", "teacher/templates/builtin/safety.toml", False),
    ],
)
def test_what_lies_beside_the_code_counts_for_the_stages_that_read_it(
    stage: str, data: str, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the teacher says in chats is no code of pretraining, though reading documents takes a word of its settings."""
    assert (code.ROOT / data).is_file()
    [module] = [one.module for one in ORDER if one.name == stage]
    forget()
    before, real = code_digest(module), code.digest_file
    monkeypatch.setattr(code, "digest_file", lambda path: "other" if path == code.ROOT / data else real(path))
    forget()
    assert (code_digest(module) != before) is counts
    forget()


def test_the_same_tree_is_the_same_for_every_version_of_python() -> None:
    """No field that only some versions have, or that is empty, is told."""
    lines = list(code._canonical(ast.parse("def f(x: int) -> int:\n    return x\n")))
    assert lines == [
        "Module", "body", "FunctionDef", "name 'f'", "args", "arguments", "args", "arg", "arg 'x'", "annotation",
        "Name", "id 'int'", "ctx", "Load", ".", ".", ".", ".", "body", "Return", "value", "Name", "id 'x'", "ctx",
        "Load", ".", ".", ".", "returns", "Name", "id 'int'", "ctx", "Load", ".", ".", ".", ".",
    ]  # fmt: skip


def test_stages_depend_on_their_own_room_and_on_no_later_one() -> None:
    found = {stage.name: modules(stage.module) for stage in ORDER}
    assert "hornbook.seeds" in found["grade"]
    assert "hornbook.model.transformer" in found["sft"]
    for name, reached in found.items():
        rooms = {one.split(".")[1] for one in reached}
        assert not rooms & {"commands", "cli", "recipe", "planning"}, name


def test_a_stage_of_a_program_of_ones_own_counts_with_what_it_imports(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine_of_test_code.py").write_text("from hornbook import seeds\n")
    importlib.import_module("mine_of_test_code")
    assert modules("mine_of_test_code") == {"mine_of_test_code", "hornbook.seeds"}
    assert code_digest("mine_of_test_code") != code_digest("hornbook.seeds")
    assert code_digest("in_no_file") == code_digest("in_no_file")
