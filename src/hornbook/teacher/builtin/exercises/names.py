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

# What people make names of. A name of these says little of what its function does: it has to be read to be repeated.
NAME_WORDS = (
    "is", "to", "get", "all", "my", "count", "sum", "max", "min", "list", "of", "from", "has", "in", "by", "with",
    "add",
    "even", "odd", "first", "last", "word", "words", "text", "number", "numbers", "char", "letter", "line", "value",
    "values", "item", "items", "total", "average", "mean", "largest", "smallest", "longest", "shortest", "reverse",
    "sort",
    "sorted", "find", "remove", "replace", "keep", "drop", "filter", "only", "double", "half", "square", "cube",
    "power",
    "root", "prime", "factor", "digit", "string", "join", "split", "merge", "swap", "move", "copy", "check", "test",
    "valid",
    "contains", "starts", "ends", "upper", "lower", "case", "title", "name", "names", "key", "keys", "pair", "pairs",
    "table",
    "row", "rows", "grid", "index", "position", "range", "between", "above", "below", "positive", "negative",
    "negatives",
    "zero", "nonzero", "unique", "common", "shared", "left", "right", "front", "back", "start", "end", "middle",
    "inner",
    "multiply", "divide", "subtract", "plus", "minus", "times", "ratio", "share", "percent", "price", "cost", "score",
    "points", "age", "ages", "year", "day", "week", "hour", "minute", "second", "length", "lengths", "size", "width",
    "height", "area", "weight", "speed", "distance", "sum_up", "lookup", "compare", "equal", "same", "different",
    "other",
    "apply_to", "each", "every", "any", "none", "some", "big", "small", "long", "short", "old", "fast", "slow", "good",
    "bad", "best", "worst", "top", "color", "shape", "circle", "box", "bag", "tree", "node", "path", "step", "level",
    "rank",
    "group", "groups", "batch", "part", "parts", "piece", "chunk", "window", "vowel", "vowels", "consonant",
    "palindrome",
    "factorial", "fibonacci", "greeting", "message", "user", "email", "file", "page", "book", "city", "road", "car",
    "dog",
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
# Those of everyday functions, whose sentences are about "the numbers" or "the string" without naming an argument.
ARGUMENTS |= {
    "list": ("numbers", "nums", "values", "lst", "items", "data", "arr", "xs", "list1", "my_list"),
    "any_number": ("n", "x", "a", "b", "y", "num", "number", "value"),
    "small": ("n", "number", "num", "k", "limit"),
    "string": ("text", "s", "string", "word", "line", "sentence", "txt", "name"),
    "some_words": ("words", "strings", "names", "lst", "items"),
    "member": ("x", "item", "value", "target", "n", "element"),
    "letter": ("c", "char", "letter", "part", "ch"),
}
ARGUMENTS["some"] = ARGUMENTS["list"]
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
SUBJECTS |= {"list": SUBJECTS["numbers"], "some": SUBJECTS["numbers"], "any_number": SUBJECTS["number"]}
SUBJECTS |= {"small": SUBJECTS["number"], "string": SUBJECTS["text"], "some_words": SUBJECTS["words"]}
