import ast

from hornbook.teacher.builtin.exercises.catalogue import FAMILIES, compositions
from hornbook.teacher.builtin.exercises.draw import draw
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
            assert len(set(ARGUMENTS[kind])) > family.kinds.count(kind)


def test_no_body_has_a_variable_that_is_called_like_an_argument() -> None:
    for family in FAMILIES:
        arguments = {name for kind in family.kinds for name in ARGUMENTS[kind]}
        for parts in compositions()[family.name].values():
            drawn = draw(family, parts, 1)
            tree = ast.parse(drawn.prompt + drawn.body)
            stored = {
                node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            assert not stored & (arguments - set(drawn.style.names)), drawn.body
