from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.teacher.client.schema import check_schema
from hornbook.teacher.kinds.source import Order, preview
from hornbook.teacher.kinds.template import available, load

KINDS = [
    "chats",
    "exercises",
    "facts",
    "lessons",
    "mathematics",
    "preferences",
    "refusal-pairs",
    "refusals",
    "stories",
    "story-instructions",
    "textbooks",
]
SMALL = """
prompt = "Write about {thing}."
[draw.thing]
choose = ["a", "b"]
[answer]
story = "the story"
[text]
document = "{story}"
"""


def test_the_kinds_that_ship() -> None:
    assert sorted(available()) == KINDS


@pytest.mark.parametrize("name", [*KINDS, "topics"])
def test_each_loads_and_has_a_digest(name: str) -> None:
    kind = load(name)
    assert kind.template.description
    assert len(kind.digest) == 64
    schema = kind.template.answer_schema()
    if schema is not None:
        check_schema(schema)
        assert schema["required"] == list(schema["properties"])


def test_a_copy_of_ones_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(SMALL)
    before = load(str(mine))
    mine.write_text(SMALL.replace("about", "on"))
    assert load(str(mine)).digest != before.digest
    assert before.name == "mine"
    assert load("mine", tmp_path).name == "mine"


def test_the_digest_covers_the_lists(tmp_path: Path) -> None:
    from hornbook.teacher.kinds import lists

    mine = tmp_path / "mine.toml"
    mine.write_text(SMALL.replace('choose = ["a", "b"]', 'lists = ["own"]'))
    (tmp_path / "own.txt").write_text("a\nb\n")
    before = load(str(mine)).digest
    lists.entries.cache_clear()
    (tmp_path / "own.txt").write_text("a\nc\n")
    assert load(str(mine)).digest != before


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{thing}", "{thnig}", "{thnig}, which nothing gives a value (did you mean 'thing'?)"),
        ("{story}", "{tale}", "{tale}, which nothing gives a value"),
        ("choose", "chose", "draw.thing.chose is not a setting (did you mean 'choose'?)"),
        ('choose = ["a", "b"]', "", "give exactly one of choose, lists, topics, extract"),
        ('choose = ["a", "b"]', 'choose = ["a"]\ncount = [3, 1]', "count is from, to"),
        ("[draw.thing]", "[draw.story]", "story is drawn and answered"),
        ('document = "{story}"', 'user = "{story}"', "give document, or turns, or user and assistant"),
        ('document = "{story}"', 'document = "{story}"\n[check]\nrun = "function"', "check.run {code}"),
        ('story = "the story"', "story = 5", "story is neither a description nor a JSON schema"),
        ("prompt =", "promt =", "promt is not a setting (did you mean 'prompt'?)"),
        ("prompt =", "prompt", "is not valid TOML"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(SMALL.replace(old, new))
    with pytest.raises(UserError) as caught:
        load(str(mine))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_unknown_kinds(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no kind 'storys' .did you mean 'stories'"):
        load("storys")
    with pytest.raises(UserError, match="there is no template"):
        load(str(tmp_path / "none.toml"))


def test_the_example_of_the_page_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "write.md").read_text()
    block = page[page.index("    description = ") : page.index("**Placeholders.**")]
    (tmp_path / "riddles.toml").write_text("\n".join(line.removeprefix("    ") for line in block.splitlines()))
    (tmp_path / "my-words.txt").write_text("moon\n")
    order = Order(load(str(tmp_path / "riddles.toml")), 30)
    prompts = [request.messages[-1].content for request in preview(order)]
    assert all(prompt.startswith("Write a riddle whose solution is") for prompt in prompts)
    assert 5 < sum("Use a rhyme." in prompt or "speak of itself" in prompt for prompt in prompts) < 25
