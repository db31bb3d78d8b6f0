"""Real functions: which are taken, and that a prompt and its body make the function again."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hornbook.documents import CorpusWriter, document_id, document_schema, is_held_out
from hornbook.study.functions import LONGEST, functions, library_functions
from hornbook.study.likelihood import Pair

TEXT = '''
import os

def first(values):
    """The first of them."""
    return values[0]

class Box:
    @property
    def size(self):
        """How large it is.

        In cubic metres.
        """
        if self.sides:
            return 1

        return 0

def bare(x): "told here"; return x

def beside(x):
    "told here"; return x

def undocumented(x):
    return x

def nothing():
    """Only told."""

def kept_apart():
    """With a text that goes over lines."""
    return """
text"""

async def later():
    """Not a plain function."""
    return 1
'''


def test_functions_and_methods_with_a_docstring_and_a_body() -> None:
    found = functions([TEXT, TEXT, "no python at all", "x = '\\d'\n" + textwrap.dedent(TEXT)])
    assert found == [
        Pair('def first(values):\n    """The first of them."""\n', "    return values[0]\n", None),
        Pair('def kept_apart():\n    """With a text that goes over lines."""\n', '    return """\ntext"""\n', None),
        Pair(
            'def size(self):\n    """How large it is.\n\n    In cubic metres.\n    """\n',
            "    if self.sides:\n        return 1\n\n    return 0\n",
            None,
        ),
    ]


def test_long_ones_and_those_whose_text_is_not_indented_are_left_out() -> None:
    long = f'def f():\n    """Told."""\n    return "{"x" * LONGEST}"\n'
    outside = 'class A:\n    def f(self):\n        """Told."""\n        return """\nflush"""\n'
    assert functions([long, outside]) == []


@given(st.lists(st.sampled_from(["\n", "\r\n", "\x0c\n", "# \x0b \u2028 x\n", "y = 1\n"]), max_size=4))
def test_lines_are_those_of_the_parser(before: list[str]) -> None:
    (found,) = functions(["".join(before) + 'def f(a):\n    """Told."""\n    return a\n'])
    assert found == Pair('def f(a):\n    """Told."""\n', "    return a\n", None)


def test_every_function_of_a_real_module_compiles_to_itself() -> None:
    found = functions([Path(module).read_text(encoding="utf-8") for module in (textwrap.__file__, ast.__file__)])
    assert len(found) >= 10
    for one in found:
        (made,) = ast.parse(one.prompt + one.right).body
        assert isinstance(made, ast.FunctionDef) and ast.get_docstring(made) and len(made.body) > 1


def test_of_a_corpus_those_are_taken_that_no_arm_reads(tmp_path: Path) -> None:
    texts = [f'def f{n}():\n    """Told."""\n    return {n}\n' for n in range(60)]
    with CorpusWriter(tmp_path, document_schema()) as corpus:
        for n, text in enumerate(texts):
            source = "exercises" if n % 3 == 0 else "library"
            corpus.keep({"id": document_id(text), "text": text, "source": source, "path": str(n)})
    found = library_functions(tmp_path, {"held_out": 0.3, "seed": 5})
    held = {text for n, text in enumerate(texts) if n % 3 and is_held_out(document_id(text), 0.3, 5)}
    assert {one.prompt + one.right for one in found} == held and 5 < len(held) < 30
