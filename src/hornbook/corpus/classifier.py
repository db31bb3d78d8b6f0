"""A small, fast imitation of the teacher: hashed words and word pairs, a few statistics, logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.corpus.statistics import STATISTICS, statistics
from hornbook.errors import UserError
from hornbook.files import read_json, write_bytes, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRADES = 6
_WEIGHTS = "classifier.safetensors"
_CONFIGURATION = "classifier.json"
# Words of letters, numbers, and runs of punctuation: in code `):` and `"""` say as much as words do.
_TOKEN = r"\w+|[^\w\s]+"


@dataclass(frozen=True)
class Features:
    """How a text becomes a row of numbers: words and pairs of its first `characters`, hashed into `columns` columns."""

    characters: int
    columns: int

    def rows(self, texts: Sequence[str]) -> tuple[Any, NDArray[np.float64]]:
        """Words' logarithmic counts, sparse unit rows (texts, columns); and statistics (texts, len(STATISTICS))."""
        import numpy as np
        from sklearn.feature_extraction.text import HashingVectorizer
        from sklearn.preprocessing import normalize

        beginnings = [text[: self.characters] for text in texts]
        words = HashingVectorizer(
            n_features=self.columns, ngram_range=(1, 2), token_pattern=_TOKEN, alternate_sign=False, norm=None
        ).transform(beginnings)
        words.data = np.log1p(words.data)
        figures = np.array([statistics(text) for text in beginnings])
        return normalize(words), figures.reshape(len(texts), len(STATISTICS))


@dataclass(frozen=True)
class Classifier:
    """Grades texts as its teacher would.

    weights: (GRADES, columns + len(STATISTICS)) float32, bias: (GRADES,), -inf for grades the teacher never gave;
    mean and deviation: (len(STATISTICS),), by which the statistics are standardised.
    """

    features: Features
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The probability of each grade: (texts, GRADES)."""
        import numpy as np

        words, figures = self.features.rows(texts)
        standard = _standardised(figures, self.mean, self.deviation)
        logits = words @ self.weights[:, : self.features.columns].T
        logits = logits + standard @ self.weights[:, self.features.columns :].T + self.bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The expected grade, sum over k of p(k) * k, from 0 to 5, rounded to four digits: (texts,)."""
        import numpy as np

        if not texts:
            return np.zeros(0)
        return np.asarray((self.probabilities(texts) @ np.arange(GRADES)).round(4), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors and the rest as JSON."""
        from safetensors.numpy import save

        arrays: dict[str, NDArray[Any]] = {
            "weights": self.weights,
            "bias": self.bias,
            "mean": self.mean,
            "deviation": self.deviation,
        }
        write_bytes(folder / _WEIGHTS, save(arrays))
        write_json(
            folder / _CONFIGURATION,
            {
                "characters": self.features.characters,
                "columns": self.features.columns,
                "statistics": list(STATISTICS),
                "token": _TOKEN,
            },
        )


def load(folder: Path) -> Classifier:
    """A saved classifier. Raises UserError when it is missing, damaged, or made by code with other features."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    configuration = read_json(folder / _CONFIGURATION)
    if configuration.get("statistics") != list(STATISTICS) or configuration.get("token") != _TOKEN:
        raise UserError(f"{folder} was made by another version of Hornbook: grade again to make it new")
    try:
        arrays = load_file(folder / _WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{folder / _WEIGHTS} can't be read: {error}") from None
    return Classifier(Features(configuration["characters"], configuration["columns"]), **arrays)


def learn(texts: Sequence[str], grades: Sequence[int], features: Features, regularisation: float) -> Classifier:
    """Fit a multinomial logistic regression (lbfgs, one thread: the same weights every time) to `grades` of `texts`."""
    import numpy as np
    from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    words, figures = features.rows(texts)
    mean, deviation = figures.mean(axis=0), figures.std(axis=0)
    deviation[deviation < 1e-9] = 1.0
    inputs = hstack([words, csr_matrix(_standardised(figures, mean, deviation))], format="csr")
    weights = np.zeros((GRADES, inputs.shape[1]), dtype=np.float32)
    bias = np.full(GRADES, -np.inf, dtype=np.float32)
    given = sorted(set(grades))
    if len(given) == 1:
        bias[given] = 0.0
    else:
        with threadpool_limits(1):
            model = LogisticRegression(C=regularisation, max_iter=1_000, tol=1e-3).fit(inputs, list(grades))
        coefficients, intercept = model.coef_, model.intercept_
        if len(given) == 2:  # one row stands for the second grade against the first
            coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
            intercept = np.concatenate([np.zeros_like(intercept), intercept])
        weights[given], bias[given] = coefficients, intercept
    return Classifier(features, weights, bias, mean, deviation)


def _standardised(
    figures: NDArray[np.float64], mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Statistics in standard deviations from the mean, clipped so that one odd text can't shout."""
    import numpy as np

    return np.asarray(np.clip((figures - mean) / deviation, -4, 4), dtype=np.float64)
