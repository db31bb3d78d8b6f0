from hornbook.teacher.builtin.teacher import BuiltinTeacher
from hornbook.teacher.interface import Exercise, Grader, Writer


def test_it_is_a_grader_and_a_writer() -> None:
    grader: Grader = BuiltinTeacher()
    writer: Writer = BuiltinTeacher()
    assert grader.name == writer.name == "builtin"


def test_grades_are_one_a_text_in_order() -> None:
    good = 'def area(width, height):\n    """Return the area."""\n    return width * height\n' * 9
    grades = BuiltinTeacher().grade(["", good, ""])
    assert [grade is not None for grade in grades] == [True] * 3
    assert grades[0] == grades[2] != grades[1]


def test_exercises_come_as_many_as_are_wanted_and_all_different() -> None:
    source = BuiltinTeacher().exercises(seed=1)
    made = [*source.more(1_000), *source.more(1_000)]
    assert len({exercise.text for exercise in made if isinstance(exercise, Exercise)}) == 2_000


def test_problems_say_how_much_is_held_out() -> None:
    offered = BuiltinTeacher().problems(5, seed=1)
    assert len(list(offered.source.more(9))) == 5
    assert offered.held_out.keys() == offered.training.keys()
    assert 0.1 < sum(offered.held_out.values()) / sum(offered.training.values()) < 0.2
