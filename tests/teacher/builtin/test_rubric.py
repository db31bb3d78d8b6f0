import time

import pytest

from hornbook.teacher.builtin.features import features
from hornbook.teacher.builtin.rubric import grade

TABLE = "table = (\n" + "".join(f"    0x{i:04x}, 0x{i + 1:04x}, 0x{i + 2:04x},\n" for i in range(200)) + ")\n"
CHARMAP = (
    "decoding_table = (\n" + "".join(f"    '\\x{i:02x}'   #  0x{i:02X} -> SOME LETTER\n" for i in range(200)) + ")\n"
)
TEST = "import unittest\n\n\nclass TestSum(unittest.TestCase):\n" + "".join(
    f"    def test_{i}(self):\n        self.assertEqual(total([{i}, {i}]), {2 * i})\n        self.assertTrue(total([{i}]))\n\n"
    for i in range(20)
)
IMPORTS = "".join(f"from package.module{i} import function{i}\n" for i in range(30))
PLAIN = "".join(
    f"def read_{name}(source, settings):\n    content = source.read()\n    if not content:\n        return settings.default\n"
    "    values = content.split()\n    return values\n\n\n"
    for name in ("header", "footer", "table", "record")
)
DOCUMENTED = "".join(
    f'def read_{name}(source, settings):\n    """Read the {name} of an open source and return it as a list of words."""\n'
    "    # An empty source is no error here: callers ask for the default then.\n    content = source.read()\n"
    "    if not content:\n        return settings.default\n    return content.split()\n\n\n"
    for name in ("header", "footer", "table", "record")
)
TAUGHT = "".join(
    f'def read_{name}(source, settings):\n    """Read the {name} of an open source and return it as a list of words.\n\n'
    "    The source must be open, because the function does not know where it came from. When it is empty the default\n"
    "    is returned instead, so that callers need not test for it. For example:\n\n"
    '    >>> read(io.StringIO("a b"), settings)\n    [\'a\', \'b\']\n    """\n'
    "    content = source.read()\n    if not content:\n        return settings.default\n    return content.split()\n\n\n"
    for name in ("header", "footer", "table", "record")
)
PROSE = (
    "A loop repeats its body for each item of a list. This is useful because the same work must often be done many times. "
    "When the list is empty the body does not run at all, which means that a total that starts at zero stays zero.\n\n"
) * 8
TUTORIAL = (
    PROSE
    + "For example, this loop adds the numbers of a list::\n\n    for number in numbers:\n        total += number\n" * 6
)


def test_worse_and_better_texts() -> None:
    assert grade("").score == 0
    assert grade(TABLE).score == 0
    assert grade(CHARMAP).score == 0
    assert grade(IMPORTS).score <= 1
    assert grade(TEST).score <= 1
    assert grade(PLAIN).score == 2
    assert grade(DOCUMENTED).score in (3, 4)
    assert grade(TAUGHT).score == 5
    assert grade(PROSE).score in (3, 4)
    assert grade(TUTORIAL).score == 5


def test_reasons_name_each_criterion_in_one_line() -> None:
    for text in (PLAIN, DOCUMENTED, TAUGHT, PROSE):
        reason = grade(text).reason
        assert "\n" not in reason
        assert all(word in reason for word in ("substance", "clarity", "documentation", "explanation", "examples"))
        assert reason.count("+1") == grade(text).score
    assert "table of literals" in grade(TABLE).reason
    assert "test boilerplate" in grade(TEST).reason


@pytest.mark.parametrize("text", ["\x00", "\ud800", '"""', "#" * 5000, "\n" * 5000, "é" * 999, "'" * 3001])
def test_odd_texts_are_graded(text: str) -> None:
    assert 0 <= grade(text).score <= 5


def test_it_is_the_same_every_time() -> None:
    assert grade(TAUGHT) == grade(TAUGHT)


def test_features_by_hand() -> None:
    seen = features(DOCUMENTED)
    assert seen.is_code
    assert (seen.definitions, seen.docstrings, seen.examples) == (4, 4, 0)
    assert not features(PROSE).is_code
    assert features(TAUGHT).doctests == 4


def test_it_is_fast() -> None:
    text = TAUGHT * 4
    start = time.process_time()
    for _ in range(200):
        grade(text)
    rate = 200 * len(text) / 1e6 / (time.process_time() - start)
    assert rate > 1.0, f"{rate:.1f} MB/s"
