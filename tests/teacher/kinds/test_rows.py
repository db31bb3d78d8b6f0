from __future__ import annotations

from hornbook.teacher.kinds.draws import Drawn
from hornbook.teacher.kinds.rows import written
from hornbook.teacher.kinds.template import load

WORDS = {"verb": "run", "noun": "dog", "adjective": "red", "features": "a moral"}


def test_a_document_shows_what_chance_says() -> None:
    kind = load("story-instructions")
    value = {"summary": "S.", "sentence": "One.", "story": "The dog."}
    texts = [written(kind, Drawn(n, WORDS), value, 1).text for n in range(200)]
    assert written(kind, Drawn(3, WORDS), value, 1).text == texts[3]
    assert all(text.endswith("Story:\nThe dog.") for text in texts)
    shown = sum("Words: run, dog, red" in text for text in texts)
    assert 60 < shown < 140
    assert 60 < sum("Summary: S." in text for text in texts) < 140
    assert all("Words:" not in text or "run, dog, red" in text for text in texts)


def test_turns() -> None:
    value = {"turns_of_talk": [{"user": "Hi ", "assistant": "Hello"}, {"user": "Bye", "assistant": "So long"}]}
    row = written(load("chats"), Drawn(0, {}), value, 1)
    assert [(m.role, m.content) for m in row.messages] == [
        ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"), ("assistant", "So long"),
    ]  # fmt: skip
    assert row.text.startswith("User: Hi\n\nAssistant: Hello")


def test_pairs_and_labels() -> None:
    row = written(load("preferences"), Drawn(0, {}), {"request": "Q", "better": "A", "worse": "B"}, 1)
    assert (row.messages[0].content, row.chosen, row.rejected, row.label) == ("Q", "A", "B", "preferences")
    row = written(load("refusals"), Drawn(0, {"sort": "harmful"}), {"why": "w", "request": "Q", "reply": "No."}, 1)
    assert (row.label, row.messages[1].content) == ("harmful", "No.")


def test_plain_text() -> None:
    assert written(load("lessons"), Drawn(0, {}), " A lesson. ", 1).text == "A lesson."


def test_one_field_of_text_needs_no_json() -> None:
    stories = load("stories")
    assert (stories.template.plain, stories.template.answer_schema()) == ("story", None)
    row = written(stories, Drawn(0, WORDS), " The dog ran. ", 1)
    assert (row.text, dict(row.fields)) == ("The dog ran.", {"story": " The dog ran. "})
    assert load("mathematics").template.plain == load("topics").template.plain == ""  # several; one that is a list
