"""How much texts differ from each other, in numbers that can be compared from run to run."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

SAMPLE = 5_000  # texts that are looked at: both figures fall as more are taken, so the number is fixed

_WORD = re.compile(r"\w+|[^\w\s]")


def diversity(texts: Sequence[str]) -> dict[str, float]:
    """`distinct_3_grams` is the share of different ones (Li et al., 2016); `compression_ratio` is zlib's.

    Less means more alike. Measured on `SAMPLE` texts, evenly spaced.
    """
    step = max(1.0, len(texts) / SAMPLE)
    sample = [texts[int(i * step)] for i in range(min(SAMPLE, len(texts)))]
    total, different = 0, set()
    for text in sample:
        words = _WORD.findall(text)
        grams = list(zip(words, words[1:], words[2:], strict=False))
        total += len(grams)
        different.update(grams)
    raw = "\n".join(sample).encode()
    return {
        "texts": len(sample),
        "distinct_3_grams": round(len(different) / max(1, total), 4),
        "compression_ratio": round(len(zlib.compress(raw, 6)) / max(1, len(raw)), 4),
    }
