"""The tokens stage on a small corpus."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.documents import is_held_out
from hornbook.errors import UserError
from hornbook.model.tokenizers import PAD, Tokenizer
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.runs.stage import Work
from hornbook.tokens import encode as encoding
from hornbook.tokens import shards
from hornbook.tokens.settings import Phase, TokensSettings
from hornbook.tokens.tokenize import TOKENS, TokensStageSettings, tokenize

SETTINGS = TokensSettings(training_characters=20_000, held_out=0.2, validation_tokens=1_000)


def documents() -> list[dict[str, Any]]:
    source = random.Random(5)
    words = ["def", "return", "value", "total", "list", "for", "in", "x", "y", "if", "else", "None", "import", "print"]
    rows = []
    for number in range(240):
        text = (
            "\n".join(" ".join(source.choices(words, k=6)) for _ in range(source.randrange(1, 9))) + f"\n# {number}\n"
        )
        rows.append(
            {"id": f"{number:04d}", "text": text, "source": "library" if number % 3 else "manual", "score": None}
        )
    for row in rows[:120]:
        row["score"] = source.uniform(0, 5)
    return rows


def corpus(folder: Path, rows: list[dict[str, Any]], files: int = 1) -> Path:
    (folder / "documents").mkdir(parents=True)
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("source", pa.string()), ("score", pa.float64())])
    for number in range(files):
        table = pa.Table.from_pylist(rows[number::files], schema=schema)
        pq.write_table(table, folder / "documents" / f"part-{number:05d}.parquet")
    return folder


def phases(**changes: Any) -> dict[str, Phase]:
    first = {"tokens": 1_500, "mixture": [{"sources": ["library"], "minimum_score": 2.0, "share": 1.0}]}
    second = {
        "tokens": 2_000,
        "mixture": [
            {"sources": ["library", "manual"], "minimum_score": 3.0, "share": 0.25},
            {"sources": ["manual"], "share": 0.75},
        ],
    }
    return {"phase1": Phase(**first), "phase2": Phase(**(second | changes))}


def run(where: Path, into: Path, wanted: dict[str, Phase] | None = None, seed: int = 1) -> dict[str, Any]:
    options = {"vocabulary": 320, "context": 32, "seed": seed, "into": into, "progress": Progress()}
    return tokenize(where, SETTINGS, wanted or phases(), **options)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("tokens")
    return folder / "out", run(corpus(folder / "corpus", documents()), folder / "out")


def test_shards_hold_the_documents_that_the_phase_asks_for(done: tuple[Path, dict[str, Any]]) -> None:
    folder, figures = done
    tokenizer, by_id = Tokenizer(folder / "tokenizer"), {row["id"]: row for row in documents()}
    wanted = {"phase1-0": (["library"], 2.0), "phase2-0": (["library", "manual"], 3.0), "phase2-1": (["manual"], 0.0)}
    facts = [*figures["phases"]["phase1"], *figures["phases"]["phase2"]]
    for (name, (sources, score)), told in zip(wanted.items(), facts, strict=True):
        used = [by_id[one] for one in json.loads((folder / "shards" / f"{name}.documents.json").read_text())]
        assert used
        assert all(row["source"] in sources and (row["score"] is None or row["score"] >= score) for row in used)
        table = shards.read(folder / "shards", name)
        expected = Counter(token for row in used for token in [*tokenizer.encode(row["text"]), tokenizer.end_of_text])
        stored = Counter(table[table != tokenizer.control(PAD)].tolist())
        assert stored == expected
        assert (told["tokens"], told["documents"], told["rows"]) == (expected.total(), len(used), len(table))
        assert table.shape[1] == 33


def test_validation_documents_are_never_trained_on(done: tuple[Path, dict[str, Any]]) -> None:
    folder, figures = done
    trained = {one for path in (folder / "shards").glob("*.documents.json") for one in json.loads(path.read_text())}
    held_out = [json.loads((folder / "validation" / f"{s}.documents.json").read_text()) for s in ("library", "manual")]
    assert trained
    assert all(held_out)
    assert not trained & {one for ids in held_out for one in ids}
    assert set(figures["validation"]) == {"library", "manual"}
    assert np.asarray(shards.read(folder / "validation", "manual")).max() < figures["vocabulary"] <= 320


def test_the_order_of_files_and_rows_changes_nothing(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, figures = done
    again = run(corpus(tmp_path / "corpus", documents()[::-1], files=3), tmp_path / "out")
    assert again == figures
    names = outputs(folder)
    assert names == outputs(tmp_path / "out")
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "out" / name).read_bytes(), name


def outputs(folder: Path) -> list[Path]:
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(path for path in paths if path.parts[0] != SCRATCH)


def test_it_goes_on_where_it_was_interrupted(
    done: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = corpus(tmp_path / "corpus", documents(), files=4)
    encoded: list[int] = []
    encode = encoding._encode_shard

    def interrupted(file: Any, *rest: Any) -> None:
        encoded.append(file.first)
        if len(encoded) == 3:
            raise KeyboardInterrupt
        encode(file, *rest)

    monkeypatch.setattr(encoding, "_encode_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(where, tmp_path / "out")
    assert run(where, tmp_path / "out") == done[1]
    assert encoded == [0, 60, 120, 120, 180]
    for name in outputs(done[0]):
        assert (done[0] / name).read_bytes() == (tmp_path / "out" / name).read_bytes(), name


def test_where_the_guess_of_tokens_was_short_more_is_encoded(
    done: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hornbook.tokens.tokenize._characters_per_token", lambda sample, tokenizer: 0.5)
    assert run(corpus(tmp_path / "corpus", documents()), tmp_path / "out") == done[1]
    assert len(list((tmp_path / "out" / SCRATCH).glob("ids-*"))) > 1
    for name in outputs(done[0]):
        assert (done[0] / name).read_bytes() == (tmp_path / "out" / name).read_bytes(), name


def test_no_more_is_encoded_than_is_needed_about(tmp_path: Path) -> None:
    run(corpus(tmp_path / "corpus", documents() * 20), tmp_path / "out")
    stored = sum(np.load(file)[-1] for file in (tmp_path / "out" / SCRATCH).glob("ids-*/ends.npy"))
    used = sum(
        json.loads(path.read_text())["tokens"]
        for path in (tmp_path / "out").glob("[sv]*/*[0-9a-z].json")
        if not path.name.endswith(".documents.json")
    )
    assert 0 < stored < 1.3 * used, "of thirty times as much as is used"


def test_another_seed_holds_out_others(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run(corpus(tmp_path / "corpus", documents()), tmp_path / "out", seed=2)
    name = Path("validation") / "library.documents.json"
    assert (done[0] / name).read_bytes() != (tmp_path / "out" / name).read_bytes()


@pytest.mark.parametrize(
    ("mixture", "told"),
    [
        ([{"sources": ["libary"], "share": 1.0}], r"pretrain\.phase2\.mixture\.0: .*'libary' \(did you mean 'library'"),
        (
            [{"sources": ["manual"], "share": 0.5}, {"sources": ["library"], "minimum_score": 9, "share": 0.5}],
            None,  # ungraded documents count as good enough
        ),
    ],
)
def test_errors_name_the_ingredient(mixture: list[dict[str, Any]], told: str | None, tmp_path: Path) -> None:
    where = corpus(tmp_path / "corpus", documents())
    if told is None:
        run(where, tmp_path / "out", phases(mixture=mixture))
        return
    with pytest.raises(UserError, match=told):
        run(where, tmp_path / "out", phases(mixture=mixture))


def test_a_source_that_no_phase_reads_is_held_out_whole(tmp_path: Path) -> None:
    rows = [row | {"source": "web"} if number % 4 == 0 else row for number, row in enumerate(documents())]
    figures = run(corpus(tmp_path / "corpus", rows), tmp_path / "out")
    held = json.loads((tmp_path / "out" / "validation" / "web.documents.json").read_text())
    assert figures["validation"]["web"]["tokens"] >= SETTINGS.validation_tokens
    assert set(held) <= {row["id"] for row in rows if row["source"] == "web"}
    read = {
        one for path in (tmp_path / "out" / "shards").glob("*.documents.json") for one in json.loads(path.read_text())
    }
    assert read and not read & {row["id"] for row in rows if row["source"] == "web"}
    with pytest.raises(UserError, match=r"'wet' \(did you mean 'web'\?\); there are .*: hornbook read wet=my"):
        run(tmp_path / "corpus", tmp_path / "never", phases(mixture=[{"sources": ["wet"], "share": 1.0}]))


def test_a_source_of_which_all_is_held_out(tmp_path: Path) -> None:
    """By lot: of one document two fifths are none or all."""
    mixture = [{"sources": ["library"], "share": 0.5}, {"sources": ["notes"], "share": 0.5}]
    held = next(f"n{number}" for number in range(99) if is_held_out(f"n{number}", SETTINGS.held_out, 1))
    rows = [*documents(), {"id": held, "text": "A note.", "source": "notes", "score": None}]
    with pytest.raises(UserError, match=r"mixture\.1: every document of 'notes' is held out, .*lower tokens\.held_out"):
        run(corpus(tmp_path / "corpus", rows), tmp_path / "out", {"phase2": Phase(tokens=2_000, mixture=mixture)})


def test_a_source_may_be_called_like_a_path(tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    called = {"library": "hf/part-0", "manual": outside}
    rows = [row | {"source": called[row["source"]]} for row in documents()]
    reads = {"phase2": Phase(tokens=2_000, mixture=[{"sources": ["hf/part-0"], "share": 1.0}])}
    figures = run(corpus(tmp_path / "corpus", rows), tmp_path / "out", reads)
    folder = tmp_path / "out" / "validation"
    assert shards.names(folder) == sorted(called.values()) == sorted(figures["validation"])
    assert [*tmp_path.glob("outside*")] == [*folder.glob("*/*")] == []


def test_a_tokenizer_that_is_there_is_taken_as_it_is(tmp_path: Path, tokenizer_folder: Path) -> None:
    read: dict[str, Any] = {name: phase.model_dump() for name, phase in phases().items()}
    settings: dict[str, Any] = {"seed": 1, "vocabulary": 400, "context": 32} | read
    given = TokensStageSettings(tokens=SETTINGS.model_copy(update={"tokenizer": "mine"}), **settings)
    shutil.copytree(tokenizer_folder, tmp_path / "mine")
    where = corpus(tmp_path / "corpus", documents())
    (tmp_path / "out").mkdir()
    figures = TOKENS.run(Work(given, {"corpus": where}, tmp_path / "out", Progress(), base=tmp_path))
    assert figures["vocabulary"] == Tokenizer(tokenizer_folder).size == 380
    for name in ("tokenizer.json", "chat_template.jinja"):
        assert (tmp_path / "out" / "tokenizer" / name).read_bytes() == (tokenizer_folder / name).read_bytes()
    # Its files count, and not its name; without one nothing is added to what tells a result.
    elsewhere = TokensStageSettings(tokens=SETTINGS.model_copy(update={"tokenizer": str(tokenizer_folder)}), **settings)
    assert TOKENS.told(given, tmp_path) == TOKENS.told(elsewhere, tmp_path)
    assert TOKENS.outside(given, tmp_path) == TOKENS.outside(elsewhere, tmp_path)
    assert TOKENS.outside(TokensStageSettings(tokens=SETTINGS, **settings), tmp_path) is None
    small = given.model_copy(update={"vocabulary": 300})
    with pytest.raises(UserError, match="its tokenizer has 380 ids, the model a vocabulary of 300"):
        TOKENS.run(Work(small, {"corpus": where}, tmp_path / "never", Progress(), base=tmp_path))


@pytest.mark.parametrize(
    ("tokens", "others", "told"),
    [
        ({"length": 64}, {}, r"tokens\.length is 64, the model's context is 32"),
        ({}, {"vocabulary": 100}, r"model\.vocabulary is 100; control tokens and bytes alone take 262 ids"),
        ({"tokenizer": "mine"}, {"initial_model": "theirs"}, r"tokens\.tokenizer can't be set beside model\.from"),
    ],
)
def test_what_no_model_could_read(tokens: dict[str, Any], others: dict[str, Any], told: str, tmp_path: Path) -> None:
    read: dict[str, Any] = {name: phase.model_dump() for name, phase in phases().items()}
    settings = TokensStageSettings(
        tokens=SETTINGS.model_copy(update=tokens), **{"vocabulary": 320, "context": 32} | read | others
    )
    with pytest.raises(UserError, match=told):
        TOKENS.run(Work(settings, {"corpus": corpus(tmp_path, documents())}, tmp_path / "out", Progress()))


def test_a_score_that_nothing_reaches(tmp_path: Path) -> None:
    rows = [row | {"score": 1.0} for row in documents()]
    with pytest.raises(UserError, match=r"pretrain\.phase1\.mixture\.0: no document of library reaches the score 2"):
        run(corpus(tmp_path / "corpus", rows), tmp_path / "out")


def test_a_corpus_without_documents(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no documents to learn from"):
        run(corpus(tmp_path / "corpus", []), tmp_path / "out")


def test_ingredients_by_language(tmp_path: Path) -> None:
    rows = [{**row, "language": "en" if number % 2 else "de"} for number, row in enumerate(documents())]
    (tmp_path / "corpus" / "documents").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "corpus" / "documents" / "part-00000.parquet")
    mixture = [
        {"sources": ["library", "manual"], "languages": ["de"], "share": 0.5},
        {"sources": ["library", "manual"], "languages": ["!de"], "share": 0.5},
    ]
    figures = run(tmp_path / "corpus", tmp_path / "out", phases(mixture=mixture))
    language = {row["id"]: row["language"] for row in rows}
    for index, wanted in enumerate(("de", "en")):
        used = json.loads((tmp_path / "out" / "shards" / f"phase2-{index}.documents.json").read_text())
        assert used
        assert {language[one] for one in used} == {wanted}
    assert [part["languages"] for part in figures["phases"]["phase2"]] == [["de"], ["!de"]]
    with pytest.raises(UserError, match=r"phase2\.mixture\.0: no document of library with such a score is in fr"):
        run(
            tmp_path / "corpus",
            tmp_path / "none",
            phases(mixture=[{"sources": ["library"], "languages": ["fr"], "share": 1}]),
        )
