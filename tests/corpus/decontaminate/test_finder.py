"""300 planted leaks of five kinds, and 1,000 innocent documents."""

from __future__ import annotations

import ast
import gzip
import json
import random
import re
import tarfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus.decontaminate.benchmarks import Benchmark, Item, load_benchmarks
from hornbook.corpus.decontaminate.finder import Finder, around

KINDS = ("verbatim", "reformatted", "renamed", "changed numbers", "translated comments")


class Rename(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.Name:
        known = {"total": "amount", "seen": "table", "values": "items", "one": "k", "other": "w"}
        return ast.Name(known.get(node.id, node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg({"total": "amount", "seen": "table", "values": "items"}.get(node.arg, node.arg))


def reformatted(text: str, code: bool) -> str:
    if code:
        lines = text.replace("    ", "  ").split("\n")
        return "\n".join([lines[0], *(f"{line}\n" for line in lines[1:])]).replace(" = ", "=")
    return text.upper().replace(". ", " ...\n\n* ")


def renamed(text: str) -> str:
    tree = Rename().visit(ast.parse(text))
    tree.body[0].name = "solve_it"
    del tree.body[0].body[0]
    return ast.unparse(tree)


def renumbered(text: str, chance: random.Random) -> str:
    return re.sub(r"\b\d+\b", lambda _: str(chance.randrange(2, 99)), text)


def translated(text: str) -> str:
    head, _, *body = text.split("\n")
    marked = [line + ("  # hier wird gerechnet" if line.strip().endswith(")") else "") for line in body]
    return "\n".join([head, '    """Sammelt alles ein und rechnet es zusammen."""', *marked])


def planted(kind: str, number: int, by_name: dict[str, Benchmark], maker: Any) -> tuple[Item, str]:
    chance = random.Random(number)
    functions, sums, quiz = (by_name[name].items for name in ("functions", "sums", "quiz"))
    if kind in ("verbatim", "reformatted"):
        item = (functions, sums, quiz)[number % 3][number]
        leak = item.code or item.text
        leak = reformatted(leak, bool(item.code)) if kind == "reformatted" else leak
    elif kind == "changed numbers":
        item = (functions, sums)[number % 2][number]
        leak = renumbered(item.code or item.question, chance)
    else:
        item = functions[number]
        leak = renamed(item.code) if kind == "renamed" else translated(item.code)
    if item.code:
        return item, f"{maker.prose(40)}\n\n```python\n{leak}\n```\n\n{maker.prose(40)}\n"
    return item, f"{maker.prose(150)}\n\n{leak}\n\n{maker.prose(150)}\n"


@pytest.fixture(scope="module")
def finder(benchmarks: list[Benchmark]) -> Finder:
    return Finder(benchmarks)


@pytest.mark.parametrize(("kind", "enough"), list(zip(KINDS, (1.0, 1.0, 0.95, 0.9, 0.95), strict=True)))
def test_planted_leaks_are_found(
    kind: str, enough: float, finder: Finder, benchmarks: list[Benchmark], make: Callable[[int], Any]
) -> None:
    by_name, maker = {one.name: one for one in benchmarks}, make(7)
    leaks = [planted(kind, number, by_name, maker) for number in range(60)]
    found = finder.find([text for _, text in leaks])
    right = sum(any(hit.item == item for hit in hits) for (item, _), hits in zip(leaks, found, strict=True))
    assert right >= enough * 60
    others = sum(hit.item != item for (item, _), hits in zip(leaks, found, strict=True) for hit in hits)
    assert others == 0


def test_a_thousand_innocent_documents_have_no_hit(finder: Finder, make: Callable[[int], Any]) -> None:
    maker = make(99)
    made = (maker.story, maker.function, lambda: maker.prose(200), lambda: f"{maker.story()}\n\n{maker.function()}")
    documents = [made[number % 4]() for number in range(1_000)]
    hits = [hit for some in finder.find(documents) for hit in some]
    assert hits == []


def test_a_hit_shows_the_place_and_the_rule(
    finder: Finder, benchmarks: list[Benchmark], make: Callable[[int], Any]
) -> None:
    item = benchmarks[2].items[5]
    text = make(3).prose(2_000) + "\n" + item.question + "\n" + make(4).prose(2_000)
    (hit,) = finder.find([text])[0]
    assert hit.item == item
    assert hit.share > 0.9
    assert item.question in hit.excerpt
    assert len(hit.excerpt) < 2_000
    (code,) = finder.find([benchmarks[0].items[3].code])[0]
    assert (code.rule, code.share) == ("code", 1.0)


def test_what_all_questions_begin_with_is_no_leak() -> None:
    instruction = "Please answer the following question about the world as well as you can with one word only:"
    words = [f"topic{number} matter{number} thing{number} place{number} person{number}" for number in range(30)]
    items = tuple(Item("b", str(n), f"{instruction} {some} {some[::-1]} {some}?") for n, some in enumerate(words))
    found = Finder([Benchmark("b", "text", items)]).find([instruction, items[4].question])
    assert [len(hits) for hits in found] == [0, 1]


def test_items_too_short_to_look_for_are_told() -> None:
    items = (Item("b", "1", "Who?"), Item("b", "2", " ".join(f"word{n}" for n in range(30))))
    assert [item.id for item in Finder([Benchmark("b", "text", items)]).too_short] == ["1"]


def test_around_finds_the_place() -> None:
    text = "filler line\n" * 500 + "the needle question about lanterns\n" + "more filler\n" * 500
    assert "needle question" in around(text, "the needle question about lanterns")
    assert around("short", "anything") == "short"


def test_real_documents_hold_only_what_is_really_there(real_data: Callable[[str], Path]) -> None:
    """Textbooks hold no problem of HumanEval, MBPP or GSM8K; a library of algorithms holds some functions of MBPP."""
    names = ("HumanEval.jsonl.gz", "mbpp.jsonl.gz", "gsm8k_test.jsonl.gz")
    benchmarks = [one for name in names for one in load_benchmarks(real_data(f"benchmarks/{name}"))]
    finder = Finder(benchmarks)
    books = [
        json.loads(line)["text"]
        for file in sorted(real_data("textbooks").glob("*.gz"))[::6]
        for line in gzip.decompress(file.read_bytes()).decode().splitlines()[:70]
    ]
    with tarfile.open(real_data("code/thealgorithms_python.tar.gz")) as archive:
        members = [member for member in archive.getmembers() if member.name.endswith(".py")]
        programs = [archive.extractfile(member).read().decode() for member in members[::3]]  # type: ignore[union-attr]
    assert len(books) + len(programs) >= 700
    assert [hit for hits in finder.find(books) for hit in hits] == []
    hits = [hit for some in finder.find(programs) for hit in some]
    assert {hit.rule for hit in hits} <= {"code"}
    assert len(hits) < 0.03 * len(programs)


HOMOGLYPHS = str.maketrans("aeopcxyACEHKMOPTX", "аеорсхуАСЕНКМОРТХ")
DISGUISES: dict[str, Callable[[str], str]] = {
    "references": lambda text: text.replace(" ", "&nbsp;").replace("e", "&#101;").replace("<", "&lt;"),
    "escaped twice": lambda text: text.replace(" ", "&amp;nbsp;"),
    "zero width": lambda text: re.sub(r"(\w)(?=\w)", "\\1\u200b", text),
    "soft hyphens": lambda text: re.sub(r"(\w\w)(?=\w\w)", "\\1\u00ad", text),
    "full width": lambda text: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text),
    "homoglyphs": lambda text: re.sub(r"[aeopcxy]", lambda m: m[0].translate(HOMOGLYPHS), text),
    "homoglyphs in part": lambda text: re.sub(
        r"\b(\w+?)([aeopcxy])", lambda m: m[1] + m[2].translate(HOMOGLYPHS), text
    ),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_disguised_leaks_are_found(disguise: str, finder: Finder, benchmarks: list[Benchmark], make: Any) -> None:
    maker = make(7)
    for benchmark in benchmarks:
        if benchmark.kind == "code" and "homoglyphs" in disguise:  # would be no program any more
            continue
        for item in benchmark.items[:20]:
            text = f"{maker.prose(60)}\n\n{DISGUISES[disguise](item.text)}\n\n{maker.prose(60)}"
            assert (benchmark.name, item.id) in {(hit.item.benchmark, hit.item.id) for hit in finder.find([text])[0]}


SYLLABLES = {
    "French": ("é", "tà", "ço", "lè", "nî", "dû", "ra", "mé"),
    "Russian": ("мой", "ёл", "ки", "стра", "нный", "ве", "чё", "да"),
    "Bengali": ("আমা", "সোনা", "বাং", "তোমা", "য়ে", "ভালো", "ছে", "দেশ"),
    "Korean": ("한", "국어", "사랑", "하늘", "바람", "나무", "길", "물"),
}


@pytest.mark.parametrize("language", SYLLABLES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_other_languages_are_found_in_any_form(language: str, form: str) -> None:
    chance = random.Random(language)

    def prose(words: int) -> str:
        return " ".join("".join(chance.choices(SYLLABLES[language], k=3)) for _ in range(words))

    items = [Item("b", str(number), prose(20)) for number in range(50)]
    finder = Finder([Benchmark("b", "text", tuple(items))])
    texts = [unicodedata.normalize(form, f"{prose(50)}. {item.question}. {prose(50)}") for item in items]
    assert [[hit.item.id for hit in hits] for hits in finder.find(texts)] == [[item.id] for item in items]
    assert not any(finder.find([prose(300) for _ in range(50)]))
