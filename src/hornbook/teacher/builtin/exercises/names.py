"""Names for functions and arguments."""

from __future__ import annotations

import builtins
import keyword

PLAIN = (
    "solve", "task", "compute", "answer", "run", "work", "process", "apply", "helper", "calculate", "result_of",
    "handle", "func", "f", "g", "get", "evaluate", "perform", "transform", "do_it", "main_step", "my_function",
    "exercise", "practice", "puzzle", "question", "check_it", "make_it", "step_one", "find_it", "get_result",
    "get_answer", "do_work", "run_task", "do_step", "solve_it", "quick", "simple", "small_task", "tool", "utility",
    "operation", "convert", "derive", "obtain", "produce", "deliver", "respond", "resolve", "figure_out",
)  # fmt: skip

# The names of arguments, by kind of argument. Local variables (v, w, c, i, x, y, total, ...) have none of these.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "number": ("n", "a", "b", "m", "k", "p", "number", "amount"),
    "numbers": ("values", "items", "xs", "ys", "data", "nums", "left", "right"),
    "rows": ("rows", "matrix", "grid", "lists", "groups", "nested", "tables"),
    "text": ("text", "s", "word", "phrase", "string", "line", "message", "title"),
    "sentence": ("sentence", "text", "line", "phrase", "message", "s"),
    "words": ("names", "lines", "labels", "tokens", "terms", "parts"),
    "table": ("table", "prices", "scores", "ages", "stock", "points"),
    "key": ("name", "key_name", "wanted", "target", "label"),
}
ARGUMENTS["natural"] = ARGUMENTS["positive"] = ARGUMENTS["number"]

# What the things in a list are called: never the name of an argument, so that a sentence says what it means.
NOUNS: dict[str, tuple[str, ...]] = {
    "numbers": ("numbers", "elements"),
    "words": ("words", "strings"),
}

_TAKEN = set(dir(builtins)) | set(keyword.kwlist) | {"total", "result", "count", "best", "digit", "steps"}


def is_free(name: str) -> bool:
    """Whether a function may have this name: no builtin, no keyword, no local variable of a body."""
    return name not in _TAKEN


# What a descriptive function name may say that it deals with, by the kind of the first argument.
SUBJECTS: dict[str, tuple[str, ...]] = {
    "number": ("number", "value", "num"),
    "natural": ("number", "digits", "value"),
    "positive": ("number", "range", "numbers"),
    "numbers": ("numbers", "values", "list", "items", "data"),
    "rows": ("rows", "lists", "grid"),
    "text": ("text", "string", "letters", "word"),
    "sentence": ("sentence", "words", "text"),
    "words": ("words", "strings", "names"),
    "table": ("table", "dict", "mapping", "entries"),
}
