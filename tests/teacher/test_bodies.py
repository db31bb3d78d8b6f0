import pytest

from hornbook.teacher.bodies import outline, shape

LOOP = "    total = 0\n    for v in values:\n        if v > 3:\n            total += v\n    return total\n"


def test_names_do_not_matter() -> None:
    renamed = LOOP.replace("values", "xs").replace("total", "answer").replace("v ", "item ").replace("+= v", "+= item")
    assert renamed != LOOP
    assert shape(["values"], LOOP) == shape(["xs"], renamed)
    assert outline(LOOP) == outline(renamed)


@pytest.mark.parametrize(
    "other",
    [
        LOOP.replace("3", "4"),
        LOOP.replace(">", ">="),
        LOOP.replace("+=", "-="),
        LOOP.replace("return total", "return v"),
        LOOP.replace("total += v", "total += total"),
    ],
)
def test_everything_else_matters(other: str) -> None:
    assert shape(["values"], LOOP) != shape(["values"], other)


def test_free_names_matter() -> None:
    assert shape(["a"], "    return max(a)\n") != shape(["a"], "    return min(a)\n")


def test_the_order_of_arguments_matters() -> None:
    assert shape(["a", "b"], "    return a - b\n") != shape(["a", "b"], "    return b - a\n")
    assert shape(["a", "b"], "    return a - b\n") == shape(["b", "a"], "    return b - a\n")


def test_spaces_and_brackets_do_not_matter() -> None:
    assert shape(["a"], "    return (a+1)\n") == shape(["a"], "    return a + 1\n")
    assert outline("    return (a+1)\n") == outline("    return a + 1\n")


def test_lambda_arguments_are_names_too() -> None:
    one, two = "    return sorted(xs, key=lambda v: -v)\n", "    return sorted(xs, key=lambda w: -w)\n"
    assert shape(["xs"], one) == shape(["xs"], two)


def test_what_is_not_python_raises() -> None:
    with pytest.raises(SyntaxError):
        shape(["a"], "    return ((\n")
