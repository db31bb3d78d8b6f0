from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hornbook.corpus.filter.heuristics import NOTHING_LEFT, Heuristics
from hornbook.corpus.filter.measures import MEASURES
from hornbook.corpus.filter.repetition import MEASURES as REPETITION
from hornbook.corpus.filter.rules import RULES, SETS, chosen
from hornbook.corpus.filter.settings import HeuristicSettings

PAGE = Path(__file__).parents[3] / "docs" / "filter.md"
GOOD = (
    "The river begins high in the mountains, where snow lies until June and nobody lives.\n"
    "Further down it turns the wheels of three old mills, and one of them still grinds flour for the bakers.\n\n"
    "In spring the water rises to the bridge; children have measured it with a painted stick for forty years.\n"
    "Nobody remembers who began to write the figures down, but the book that holds them is kept in the school.\n"
    "Rain or not, somebody still goes down to look at it every single morning.\n"
)
WORDS = [
    "quiet",
    "lake",
    "green",
    "hill",
    "stone",
    "wall",
    "small",
    "boat",
    "white",
    "sail",
    "warm",
    "wind",
    "dark",
    "wood",
    "long",
    "road",
    "open",
    "gate",
]


def many(lines: int, line: str = "{} stands near {} and is {}.") -> str:
    """Lines of words that don't repeat."""
    return "\n".join(line.format(f"a{n}b", f"c{n}d", f"e{n}f") for n in range(lines))


# For each rule a text that breaks it and no other rule before it.
BREAKING = {
    "gopher.few_words": "This is the end of it, and that is really all.",
    "gopher.many_words": "the road and that " * 26_000,
    "gopher.short_words": "a b the to of c d e " * 10,
    "gopher.long_words": "the and " + "unbelievable-complications " * 60,
    "gopher.hashes": GOOD + " #tag" * 20,
    "gopher.ellipses": GOOD + " and so on ..." * 20,
    "gopher.bullets": "\n".join(f"• the {word} and that {word} of ours" for word in WORDS),
    "gopher.ellipsis_lines": "\n".join(f"the {word} and that {word} of all our own nice things..." for word in WORDS),
    "gopher.few_letters": GOOD + " 1234 5678 90123" * 20,
    "gopher.few_stop_words": " ".join(WORDS * 4),
    "c4.lorem_ipsum": GOOD + "Lorem ipsum dolor sit amet.",
    "c4.curly_brackets": GOOD + "if (x) { return; }",
    "c4.bad_words": GOOD + "A Frightful Word stands here.",
    "c4.few_sentences": "\n".join(GOOD.split("\n")[:2]),
    "fineweb.unended_lines": many(20, "{} stands near {} and is {} without an end"),
    "fineweb.short_lines": many(20, "{} and {}."),
    "fineweb.duplicate_lines": GOOD + "This line stands here twice, and that is one too many.\n" * 2,
    "fineweb.newlines": GOOD.replace(" ", "\n\n"),
    "gopher.duplicate_lines": GOOD + "And so.\n" * 12,
    "gopher.duplicate_paragraphs": "\n\n".join(["a b.\nc d."] * 3 + [GOOD]),
    "gopher.duplicate_line_characters": GOOD + GOOD.split("\n", maxsplit=1)[0] + "\n" + GOOD.split("\n")[1],
    "gopher.duplicate_paragraph_characters": "\n\n".join(GOOD.split("\n\n") * 2),
    "gopher.top_2_grams": GOOD + "the river " * 30,
    "gopher.top_3_grams": GOOD + "the river runs " * 20,
    "gopher.top_4_grams": GOOD + "the river runs on " * 12,
    **{
        f"gopher.duplicate_{n}_grams": GOOD + " ".join(GOOD.split()[: 30])
        for n in range(5, 11)
    },
}  # fmt: skip


def broken(text: str, *rules: str) -> str | None:
    words = ("frightful word",) if "c4.bad_words" in chosen(rules, ()) else ()
    return Heuristics(HeuristicSettings(rules=rules, bad_words=words)).judge([text])[0].broken


@pytest.mark.parametrize("rule", [name for name, rule in RULES.items() if rule.side is not None])
def test_every_rule_drops_what_breaks_it_and_nothing_good(rule: str) -> None:
    assert broken(BREAKING[rule], rule) == rule
    assert broken(GOOD, rule) is None


def test_a_good_text_passes_all() -> None:
    settings = HeuristicSettings(rules=SETS, without=("c4.unended_lines",))
    (verdict,) = Heuristics(settings).judge([GOOD])
    assert verdict.broken is None
    assert verdict.text == GOOD.strip("\n").replace("\n\n", "\n")
    assert verdict.lines == {}


@pytest.mark.parametrize(
    ("rule", "text", "left"),
    [
        ("c4.unended_lines", 'Menu\nA whole sentence.\nMore...\n\n"Said."', 'A whole sentence.\n"Said."'),
        ("c4.short_lines", "Only two.\nBut these are three.", "But these are three."),
        ("c4.javascript_lines", "Please enable JavaScript now.\nText.", "Text."),
        ("c4.policy_lines", "We use cookies here.\nText.", "Text."),
        ("c4.long_word_lines", "x" * 1_001 + " and\nText " + "y " * 600, "Text " + "y " * 599 + "y"),
        ("c4.citations", "Known[1] since[edit] long[citation needed][x].", "Known since long[x]."),
    ],
)
def test_rules_of_lines(rule: str, text: str, left: str) -> None:
    (verdict,) = Heuristics(HeuristicSettings(rules=(rule,))).judge([text])
    assert verdict.text == left
    assert verdict.broken is None
    assert set(verdict.lines) == {rule}


def test_a_text_without_lines_left_goes() -> None:
    (verdict,) = Heuristics(HeuristicSettings(rules=("c4.unended_lines",))).judge(["Menu\nHome"])
    assert verdict.broken == NOTHING_LEFT


def test_limits_and_exceptions() -> None:
    few = HeuristicSettings(rules=("gopher",), limits={"gopher.few_words": 5})
    assert Heuristics(few).judge([BREAKING["gopher.few_words"]])[0].broken is None
    without = HeuristicSettings(rules=("gopher",), without=("gopher.few_words",))
    assert Heuristics(without).judge([BREAKING["gopher.few_words"]])[0].broken is None


def test_rules_for_english_pass_over_other_languages() -> None:
    heuristics = Heuristics(HeuristicSettings(rules=("gopher.few_stop_words",)))
    text = BREAKING["gopher.few_stop_words"]
    assert [verdict.broken is None for verdict in heuristics.judge([text] * 3, [None, "en", "de"])] == [
        False, False, True,
    ]  # fmt: skip


@given(st.permutations(list(BREAKING.values())[6:26]), st.integers(1, 20))
def test_what_becomes_of_a_text_does_not_depend_on_the_others(texts: list[str], size: int) -> None:
    heuristics = Heuristics(HeuristicSettings(rules=SETS))
    together = heuristics.judge(texts)
    assert together[:size] == heuristics.judge(texts[:size])
    assert together[-1:] == heuristics.judge(texts[-1:])


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    Heuristics(HeuristicSettings(rules=SETS)).judge([text])


def test_the_catalogue_and_the_measures_fit() -> None:
    documents = [rule.measure for rule in RULES.values() if rule.side is not None]
    assert set(documents) == {*MEASURES, *REPETITION}
    assert chosen(("gopher", "c4.citations"), ("gopher.bullets",)) == [
        name for name in RULES if name == "c4.citations" or (name.startswith("gopher.") and name != "gopher.bullets")
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rules": ["gofer"]}, "did you mean 'gopher'"),
        ({"without": ["c4.citation"]}, "did you mean 'c4.citations'"),
        ({"limits": {"gopher": 3}}, "no rule 'gopher'"),
        ({"limits": {"c4.citations": 3}}, "no limit to set"),
    ],
)
def test_wrong_names_are_told(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HeuristicSettings.model_validate(values)


PROSE = {
    "Hindi": ("भारत एक विशाल देश है और यहाँ अनेक भाषाएँ बोली जाती हैं हमारे गाँव में बच्चे सुबह विद्यालय जाते फिर खेतों काम करते", " ", "।"),
    "Bengali": ("আমাদের গ্রামের পাশ দিয়ে একটি ছোট নদী বয়ে গেছে সেখানে প্রতিদিন সকালে মানুষ মাছ ধরতে যায় শিশুরা খেলা করে", " ", "।"),
    "Korean": ("가을 하늘은 매우 높고 푸르다 사람들은 산에 올라 단풍을 구경하며 시간을 보낸다 아이들은 새 노래를 배우고", " ", "."),
    "Chinese": ("春 天 来 了 花 园 里 的 树 木 开 始 发 芽 孩 子 们 在 河 边 放 风 筝 老 人 坐 长 椅 上 谈 论 过 去 故 事", "", "。」"),
    "Thai": ("เด็ก ไป โรงเรียน ตอน เช้า แม่ ทำ อาหาร ที่ บ้าน พ่อ ปลูก ข้าว ใน นา น้ำ ไหล ลง แม่น้ำ นก บิน บน ฟ้า", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("language", PROSE)
@pytest.mark.parametrize("rules", ["gopher", "c4", "fineweb"])
def test_prose_of_other_scripts_stays(language: str, rules: str) -> None:
    words, space, end = PROSE[language]
    chance = random.Random(1)
    lines = [space.join(chance.sample(words.split(), 15)) + end for _ in range(8)]
    verdict = Heuristics(HeuristicSettings(rules=(rules,))).judge(["\n".join(lines)])[0]
    assert (verdict.broken, verdict.lines) == (None, {})


def test_the_page_lists_every_rule_with_its_limit() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    for name, rule in RULES.items():
        row = next((row for row in rows if f"`{name}`" in row.partition(" | ")[0]), "")
        assert row, f"{PAGE.name} does not list {name}"
        if rule.limit:
            told = (f"{rule.limit:g}", f"{rule.limit:.2f}", f"{rule.limit:,.0f}")
            assert any(limit in row for limit in told), f"{PAGE.name} does not tell the limit of {name}"
