"""The stages that make text: read, filter, grade, have it written, clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hornbook.pipeline import Stage, Work
from hornbook.recipe import Recipe
from hornbook.stages.shared import left_out, ordered, present, raw
from hornbook.teacher.settings import PREFIX

CORPUS_CODE = ("corpus", "documents", "records")


def read_stage(recipe: Recipe, base: Path) -> Stage:
    """Real documents from files."""
    sources = tuple(source for source in recipe.sources if not source.path.startswith(PREFIX))

    def run(work: Work) -> dict[str, Any]:
        from hornbook.corpus.read import read

        return read(sources, recipe.read, base=base, into=work.into, progress=work.progress)

    def outside() -> Any:
        from hornbook.corpus.read.sources import fingerprint

        return fingerprint(sources, base)

    settings = {"sources": [s.model_dump(mode="json") for s in sources], **recipe.read.model_dump(mode="json")}
    return Stage("read", "real documents", (), settings, CORPUS_CODE, run, outside)


def filter_stages(recipe: Recipe) -> list[Stage]:
    """The stage that drops and masks, where a recipe asks for any of it."""

    def run(work: Work) -> dict[str, Any]:
        from hornbook.corpus.filter import filter_corpus

        return filter_corpus(work.inputs["read"], recipe.filter, into=work.into, progress=work.progress)

    if not recipe.filter.active:
        return []
    settings = recipe.filter.model_dump(mode="json")
    return [Stage("filter", "languages, rules, privacy", ("read",), settings, CORPUS_CODE, run)]


def grade_stage(recipe: Recipe, base: Path) -> Stage:
    """A score for every document."""
    documents, *_ = raw(recipe) or ("read",)

    def run(work: Work) -> dict[str, Any]:
        from hornbook.corpus.grade import grade
        from hornbook.teacher.choose import grader

        with grader(recipe.teacher, base, work.progress) as teacher:
            return grade(
                work.inputs[documents], teacher, recipe.grade, seed=recipe.seed, into=work.into, progress=work.progress
            )

    from hornbook.teacher.choose import grades_settings

    settings = {"seed": recipe.seed, **recipe.grade.model_dump(mode="json"), **grades_settings(recipe.teacher, base)}
    return Stage("grade", "educational value 0-5", (documents,), settings, (*CORPUS_CODE, "teacher"), run)


def texts_stages(recipe: Recipe, base: Path, allow_unisolated: bool) -> list[Stage]:
    """The stage that writes the sources a recipe orders from its teacher."""
    sources = ordered(recipe)
    if not sources:
        return []
    from hornbook.teacher.texts import needs_documents, texts_settings, write_texts

    inputs = raw(recipe) if needs_documents(sources, base) else ()

    def run(work: Work) -> dict[str, Any]:
        return write_texts(
            sources,
            recipe.teacher,
            work.inputs[inputs[0]] if inputs else None,
            base=base,
            seed=recipe.seed,
            into=work.into,
            progress=work.progress,
            allow_unisolated=allow_unisolated,
        )

    settings = texts_settings(sources, recipe.teacher, base=base, seed=recipe.seed)
    code = ("teacher", "documents", "sandbox", "seeds")
    return [Stage("texts", "what the teacher writes as a source", inputs, settings, code, run)]


def write_stage(recipe: Recipe, base: Path, allow_unisolated: bool) -> Stage:
    """Exercises, problems, conversations and preferences by the teacher."""

    def run(work: Work) -> dict[str, Any]:
        from hornbook.teacher.choose import writer
        from hornbook.teacher.write import write

        with writer(recipe.teacher, base, work.progress) as teacher:
            return write(
                teacher,
                recipe.write,
                seed=recipe.seed,
                into=work.into,
                progress=work.progress,
                allow_unisolated=allow_unisolated,
            )

    from hornbook.teacher.choose import writes_settings

    settings = {"seed": recipe.seed, **recipe.write.model_dump(mode="json"), **writes_settings(recipe.teacher, base)}
    return Stage(
        "write",
        "exercises, problems, conversations, preferences",
        (),
        settings,
        ("teacher", "documents", "sandbox"),
        run,
    )


def clean_stage(recipe: Recipe, base: Path) -> Stage:
    """One corpus of all, without duplicates and leaks."""
    real = () if "read" in left_out(recipe) else present(recipe, "grade") or raw(recipe)
    written = sorted(ordered(recipe))
    inputs = (*real, *(("texts",) if written else ()), *present(recipe, "write"))
    against = [base / Path(path).expanduser() for path in recipe.clean.against]

    def outside() -> Any:
        from hornbook.corpus.decontaminate.benchmarks import fingerprint

        return [fingerprint(path) for path in against] or None

    def run(work: Work) -> dict[str, Any]:
        from hornbook.corpus.clean import clean
        from hornbook.corpus.decontaminate import decontaminate_conversations

        corpora = [*(work.inputs[name] for name in real), *(work.inputs["texts"] / name for name in written)]
        if "write" not in work.inputs:
            return clean(corpora, None, recipe.clean, into=work.into, progress=work.progress, against=against)
        exercises = work.inputs["write"]
        problems = exercises / "problems.jsonl"
        corpora.append(exercises)
        figures = clean(corpora, problems, recipe.clean, into=work.into, progress=work.progress, against=against)
        files = (exercises / "conversations.jsonl", exercises / "preferences.jsonl")
        told = decontaminate_conversations(files, problems, recipe.clean, into=work.into)
        return figures | {"fine_tuning": told}

    settings = recipe.clean.model_dump(mode="json")
    return Stage("clean", "duplicates and leaked problems out", inputs, settings, CORPUS_CODE, run, outside)
