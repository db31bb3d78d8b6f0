from __future__ import annotations

from hornbook.report.checkpoints import checkpoints
from hornbook.report.run import Run
from hornbook.report.sections.losses import plot
from hornbook.report.story import exercise_share, story


def told(folders) -> dict[str, str]:
    run = Run.of(folders)
    models = checkpoints(run)
    return {model.name: story(run, models, index) for index, model in enumerate(models)}


def test_each_sentence_says_what_the_figures_say(make_run):
    stories = told(make_run())
    assert "256 tokens of library, and not one exercise" in stories["phase1"]
    assert "Of its 4 answers, 4 were not valid Python." in stories["phase1"]
    assert "Exercises are 100% of what it reads" in stories["phase2"]
    assert "gains 2 problems and loses 0" in stories["phase2"]
    assert "asked there, it solves 50.0% (50.0% before)" in stories["sft"]
    assert "gains 1 problem and loses 1, no more than chance would do" in stories["sft"]
    assert "declines 50% of harmful requests (50% before)" in stories["dpo"]
    assert "7.1 times smaller; it keeps 67% of the pass@1 of DPO" in stories["4bit"]


def test_a_phase_that_is_the_only_one_is_not_told_as_one_of_several(make_run, figures):
    for key in ("tokens", "steps", "loss", "mixture"):
        del figures["pretrain"][key]["phase1"]
    del figures["evaluate"]["models"]["phase1"]
    folders = make_run(figures)
    (folders["evaluate"] / "phase1.json").unlink()
    stories = told(folders)
    assert "phase1" not in stories
    assert stories["phase2"] == "Exercises are 100% of what it reads."
    caption = plot(Run.of(folders), "pretrain")["caption"]
    assert caption.startswith("Loss 1.00 at the end.")


def test_phase_1_with_exercises_is_not_told_to_have_none(make_run, figures):
    figures["pretrain"]["mixture"]["phase1"][0]["sources"] = ["exercises"]
    stories = told(make_run(figures))
    assert "not one exercise" not in stories["phase1"]


def test_a_score_of_nothing_cannot_be_kept(make_run, figures):
    figures["evaluate"]["models"]["dpo"]["pass_at_1"] = 0.0
    assert "keeps" not in told(make_run(figures))["4bit"]


def test_a_run_that_says_little(make_run, figures):
    figures["pretrain"] = {}
    figures["quantize"] = {"models": figures["quantize"]["models"]}
    for models in (figures["evaluate"]["models"], figures["quantize"]["models"]):
        for scores in models.values():
            del scores["chat"], scores["refusals"], scores["validation_loss"]
    stories = told(make_run(figures))
    assert stories["phase2"] == "Against phase 1 it gains 2 problems and loses 0, no more than chance would do."


def test_the_same_answers(make_run, figures):
    folders = make_run(figures)
    (folders["evaluate"] / "sft.json").write_bytes((folders["evaluate"] / "phase2.json").read_bytes())
    assert told(folders)["sft"].endswith("It solves the same problems as after phase 2.")


def test_share_of_exercises(make_run, figures):
    figures["pretrain"]["mixture"]["phase2"].append({"sources": ["library"], "rows": 12, "epochs": 1})
    run = Run.of(make_run(figures))
    assert exercise_share(run, "phase2") == 0.25
    assert exercise_share(run, "phase1") == 0
    assert exercise_share(run, "phase3") is None
