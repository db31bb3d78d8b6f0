"""A small, fast imitation of the teacher: weighted words and word pairs, a few statistics, linear models.

One logistic regression for each grade k tells how likely a text is worth k or more (Frank and Hall 2001), so that what
is known of the order of grades is used. Their confidence is then put right on texts that they did not learn from
(Platt 1999). On the same texts is chosen from which score on a text counts as worth k, where F1 is highest, and learned
which grade the five confidences together speak for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.corpus.grade.embeddings import NAME as ENCODER
from hornbook.corpus.grade.feature_hashing import counts
from hornbook.corpus.grade.ordinal import GRADES, best_cuts, bounded, learn_grades, learn_levels, probabilities
from hornbook.corpus.grade.statistics import STATISTICS, statistics
from hornbook.errors import UserError
from hornbook.files import expanded, read_json, write_bytes, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WEIGHTS = "classifier.safetensors"
_CONFIGURATION = "classifier.json"
FILES = (_WEIGHTS, _CONFIGURATION)  # all that a classifier's folder needs
_VERSION = 3
# What a statistic one deviation from its mean weighs beside the row of words, which has length 1: cross-validated on
# graded web pages (which need no statistics) and graded library code (which does).
_STATISTICS_WEIGHT = 0.3
# What the encoder's vector, of length 1, weighs beside it: cross-validated on graded web pages.
_VECTORS_WEIGHT = 0.5


@dataclass(frozen=True)
class Features:
    """How a text becomes a row of numbers: words and pairs of its first `characters`, hashed into `columns` columns;
    and, with `embeddings`, the vector of a pretrained encoder.
    """

    characters: int
    columns: int
    embeddings: bool = False

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """What the encoder says of the same beginnings: (texts, width); None without embeddings."""
        if not self.embeddings:
            return None
        from hornbook.corpus.grade.embeddings import vectors

        return vectors([text[: self.characters] for text in texts])

    def rows(self, texts: Sequence[str]) -> tuple[Any, NDArray[np.float64]]:
        """Logarithmic counts of words, sparse (texts, columns); and statistics (texts, len(STATISTICS))."""
        import numpy as np

        beginnings = [text[: self.characters] for text in texts]
        words = counts(beginnings, self.columns)
        words.data = np.log1p(words.data)
        figures = np.array([statistics(text) for text in beginnings])
        return words, figures.reshape(len(texts), len(STATISTICS))


@dataclass(frozen=True)
class Classifier:
    """Grades texts as its teacher would.

    idf: (columns,) float32, what each column counts (inverse document frequency); mean and std:
    (len(STATISTICS),), by which statistics are standardised. For each grade k from 1 to 5: weights: (5, columns +
    len(STATISTICS) + the encoder's width, if any) float32 and bias: (5,) of "worth k or more", infinite where the
    teacher always or never said so; cuts: (5,), the score from which a text counts as worth k. grade_weights: (6, 5)
    and grade_bias: (6,), which grade the five logits speak for, minus infinity for grades that the teacher never gave.
    """

    features: Features
    idf: NDArray[np.float32]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    cuts: NDArray[np.float64]
    grade_weights: NDArray[np.float64]
    grade_bias: NDArray[np.float64]

    def at_least(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The probabilities that a text is worth 1, 2, 3, 4, 5 or more: (texts, 5)."""
        return probabilities(self._logits(texts))

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The expected grade, from 0 to 5, rounded to four digits: (texts,)."""
        import numpy as np

        if not texts:
            return np.zeros(0)
        return self._scores(self._logits(texts))

    def grades(self, texts: Sequence[str], threshold: int) -> NDArray[np.int64]:
        """The whole grade of each text: (texts,). At least `threshold` just where the score reaches its cut."""
        import numpy as np

        logits = self._logits(texts)
        worth = self._scores(logits) >= self.cuts[threshold - 1]
        likely = bounded(logits) @ self.grade_weights.T + self.grade_bias
        fitting = (np.arange(GRADES) >= threshold) == worth[:, None]
        named = np.where(fitting, likely, -np.inf)
        nearest = np.where(worth, threshold, threshold - 1)  # where the teacher never gave a fitting grade
        return np.where(np.isfinite(named).any(axis=1), named.argmax(axis=1), nearest)

    def _logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        import numpy as np

        words, figures = self.features.rows(texts)
        inputs = _inputs(words, figures, self.features.vectors(texts), self.idf, self.mean, self.std)
        return np.asarray(inputs @ self.weights.T + self.bias, dtype=np.float64)

    def _scores(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        return np.asarray(probabilities(logits).sum(axis=1).round(4), dtype=np.float64)

    def save(self, folder: Path, learned: Mapping[str, Any] | None = None) -> None:
        """Write the weights as safetensors and the rest as JSON; `learned` tells from what, for whoever applies it."""
        from safetensors.numpy import save

        arrays: dict[str, NDArray[Any]] = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name != "features"
        }
        write_bytes(folder / _WEIGHTS, save(arrays))
        write_json(
            folder / _CONFIGURATION,
            {
                "version": _VERSION,
                "characters": self.features.characters,
                "columns": self.features.columns,
                "embeddings": ENCODER if self.features.embeddings else "",
                "statistics": list(STATISTICS),
                "learned": dict(learned or {}),
            },
        )


def load(folder: Path) -> Classifier:
    """A saved classifier. Raises UserError when it is missing, damaged, or made by code with other features."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    configuration = read_json(folder / _CONFIGURATION)
    if configuration.get("statistics") != list(STATISTICS) or configuration.get("version") != _VERSION:
        raise UserError(f"{folder} was made by another version of Hornbook: grade again to make it new")
    try:
        arrays = load_file(folder / _WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{folder / _WEIGHTS} can't be read: {error}") from None
    encoder = configuration.get("embeddings") or ""
    if encoder not in ("", ENCODER):
        raise UserError(f"{folder} reads vectors of {encoder}, which this version of Hornbook does not make")
    return Classifier(Features(configuration["characters"], configuration["columns"], bool(encoder)), **arrays)


def learned(folder: Path) -> dict[str, Any]:
    """What a saved classifier tells of how it was learned: empty where it tells nothing."""
    told = read_json(folder / _CONFIGURATION).get("learned")
    return dict(told) if isinstance(told, dict) else {}


def classifier_folder(given: str, base: Path) -> Path:
    """Where a classifier lies: the folder that is named (relative to `base`), or `classifier/` in it.

    Raises UserError where there is none.
    """
    place = base / expanded(given)
    for folder in (place, place / "classifier"):
        if (folder / _CONFIGURATION).is_file():
            return folder
    raise UserError(f"{place} is no classifier: `hornbook grade` leaves one in the folder classifier of its result")


def learn(texts: Sequence[str], grades: Sequence[int], features: Features, regularisation: float) -> Classifier:
    """Learn from `grades` (0-5) of `texts`: the same classifier every time."""
    import numpy as np

    words, figures = features.rows(texts)
    occurs = np.bincount(words.indices, minlength=features.columns)
    idf = (np.log((1 + len(texts)) / (1 + occurs)) + 1).astype(np.float32)
    mean, std = figures.mean(axis=0), figures.std(axis=0)
    std[std < 1e-9] = 1.0
    inputs = _inputs(words, figures, features.vectors(texts), idf, mean, std)
    given = np.asarray(grades)
    weights, bias, unseen = learn_levels(inputs, given, regularisation)
    cuts = best_cuts(probabilities(unseen).sum(axis=1), given)
    return Classifier(features, idf, mean, std, weights, bias, cuts, *learn_grades(unseen, given))


def _inputs(
    words: Any,
    figures: NDArray[np.float64],
    vectors: NDArray[np.float32] | None,
    idf: NDArray[np.float32],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
) -> Any:
    """What the linear models read, CSR: words as rows of length 1; statistics, clipped so that none can shout; and the
    encoder's vectors, where there are such.
    """
    import numpy as np
    from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]
    from sklearn.preprocessing import normalize

    weighted = words.copy()
    weighted.data *= idf[weighted.indices]
    standard = np.clip((figures - mean) / std, -4, 4) * _STATISTICS_WEIGHT
    more = [] if vectors is None else [csr_matrix(vectors.astype(np.float64) * _VECTORS_WEIGHT)]
    return hstack([normalize(weighted), csr_matrix(standard), *more], format="csr")


__all__ = ["FILES", "GRADES", "Classifier", "Features", "classifier_folder", "learn", "learned", "load"]
