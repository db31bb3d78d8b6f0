from hornbook.teacher.builtin.exercises.catalogue import FAMILIES
from hornbook.teacher.builtin.exercises.names import ARGUMENTS, NOUNS, PLAIN, SUBJECTS, is_free


def test_nothing_in_a_list_is_called_like_the_list() -> None:
    for kind, nouns in NOUNS.items():
        assert not set(nouns) & set(ARGUMENTS[kind])


def test_plain_names_are_free_and_many() -> None:
    assert len(set(PLAIN)) == len(PLAIN) >= 45
    assert all(is_free(name) and name.isidentifier() for name in PLAIN)


def test_builtins_keywords_and_local_names_are_taken() -> None:
    assert not any(is_free(name) for name in ("sum", "if", "total", "None"))


def test_every_kind_of_argument_has_names_enough() -> None:
    for family in FAMILIES:
        assert family.kinds[0] in SUBJECTS
        for kind in family.kinds:
            names = set(ARGUMENTS[kind])
            assert len(names) > family.kinds.count(kind)
            assert not names & {
                "v",
                "w",
                "c",
                "i",
                "x",
                "y",
                "total",
                "result",
                "digit",
                "group",
                "key",
                "value",
                "row",
            }
