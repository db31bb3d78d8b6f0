"""Which language a text is in, offline: py3langid's model, which comes inside its package.

Three excerpts of a text are looked at, not all of it: a page's language shows in a few hundred characters. Codes are
ISO 639-1 where there is one, `code` for source code, `und` for what has no letters.
"""

from __future__ import annotations

import importlib
import re
from functools import cache
from typing import Any

from hornbook.corpus.read.kinds import CODE, ending
from hornbook.errors import UserError

SOURCE_CODE = "code"
UNDETERMINED = "und"

_EXCERPT = 250  # characters of each of the three
_PIECE = re.compile(r"#\d+$")  # what `read` adds to the path of a piece
_LETTER = re.compile(r"[^\W\d_]")
_DIGITS = 3  # the last ones would differ from one processor to the next


def identify_language(text: str, path: str) -> tuple[str, float]:
    """A document's language and how sure that is, 0 to 1. Files of source code are told by their names.

    Raises UserError when py3langid is not installed.
    """
    if ending(_PIECE.sub("", path))[0] in CODE:
        return SOURCE_CODE, 1.0
    excerpt = _excerpts(text)
    if _LETTER.search(excerpt) is None:
        return UNDETERMINED, 0.0
    code, score = _identifier().classify(excerpt)
    return str(code), round(float(score), _DIGITS)


def _excerpts(text: str) -> str:
    """The beginning, the middle and the end of a long text, cut between words where there are any."""
    if len(text) <= 3 * _EXCERPT:
        return text
    middle = (len(text) - _EXCERPT) // 2
    return "\n".join(_trimmed(text[start : start + _EXCERPT]) for start in (0, middle, len(text) - _EXCERPT))


def _trimmed(excerpt: str) -> str:
    """Without the words that are cut at both ends."""
    words = excerpt.split()
    return " ".join(words[1:-1]) if len(words) > 4 else excerpt


@cache
def _identifier() -> Any:
    try:
        langid = importlib.import_module("py3langid.langid")
    except ImportError as error:
        raise UserError(f"telling languages apart needs py3langid: pip install py3langid ({error})") from None
    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
