"""Grades have an order: a model for each "worth k or more", confidence put right, and cuts of the score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRADES = 6
_FOLDS = 5
_FEWEST = 10  # of both kinds, for a model's confidence to be corrected


def learn_levels(
    inputs: Any, grades: NDArray[np.int64], regularisation: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Fit "worth k or more" for k from 1 to 5 to sparse `inputs` (texts, columns).

    Returns weights (5, columns) and biases (5,), corrected, and each text's corrected logits by models that did not
    learn from it (texts, 5).
    """
    import numpy as np

    weights = np.zeros((GRADES - 1, inputs.shape[1]), dtype=np.float32)
    bias = np.zeros(GRADES - 1, dtype=np.float32)
    logits = np.zeros((len(grades), GRADES - 1))
    parts = _parts(grades)
    for level in range(1, GRADES):
        wanted = grades >= level
        if wanted.all() or not wanted.any():
            bias[level - 1] = np.inf if wanted.all() else -np.inf
            logits[:, level - 1] = bias[level - 1]
            continue
        slope, offset, unseen = 1.0, 0.0, None
        if min(wanted.sum(), (~wanted).sum()) >= _FEWEST:
            unseen = np.zeros(len(grades))
            for part in range(_FOLDS):
                there = parts == part
                model = _fit(inputs[~there], wanted[~there], regularisation)
                unseen[there] = model.decision_function(inputs[there])
            slope, offset = _platt(unseen, wanted)
        model = _fit(inputs, wanted, regularisation)
        weights[level - 1] = slope * model.coef_[0]
        bias[level - 1] = slope * model.intercept_[0] + offset
        logits[:, level - 1] = slope * (model.decision_function(inputs) if unseen is None else unseen) + offset
    return weights, bias, logits


def probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(worth k or more) for each k: (texts, 5), never more for a higher k than for a lower one."""
    import numpy as np
    from scipy.special import expit  # type: ignore[import-untyped]

    return np.asarray(np.minimum.accumulate(expit(logits), axis=1), dtype=np.float64)


def best_cuts(scores: NDArray[np.float64], grades: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each grade k from 1 to 5 the score from which "worth k or more" has the highest F1; above 5 where none is."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    last = np.append(descending[1:] != descending[:-1], True)  # equal scores stand on the same side
    found = np.arange(1, len(scores) + 1)
    chosen = np.full(GRADES - 1, float(GRADES))
    for level in range(1, GRADES):
        wanted = grades[order] >= level
        if wanted.any():
            f1 = np.where(last, 2 * np.cumsum(wanted) / (found + wanted.sum()), -1.0)
            best = int(np.argmax(f1))
            below = descending[best + 1] if best + 1 < len(scores) else -1.0
            chosen[level - 1] = (descending[best] + below) / 2
    return np.asarray(np.maximum.accumulate(chosen), dtype=np.float64)


def learn_grades(
    logits: NDArray[np.float64], grades: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Which grade the five levels' logits (texts, 5) speak for: weights (6, 5) and biases (6,) of a softmax.

    Grades weigh by one over the root of how many texts have them, so that rare ones are named too, though not as often
    as if all were equally common. Biases of grades that never occur are minus infinity.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    given, number = np.unique(grades, return_counts=True)
    weights, bias = np.zeros((GRADES, GRADES - 1)), np.full(GRADES, -np.inf)
    if len(given) == 1:
        bias[given] = 0.0
        return weights, bias
    rare = {int(grade): float(np.sqrt(len(grades) / count)) for grade, count in zip(given, number, strict=True)}
    with threadpool_limits(1):
        model = LogisticRegression(max_iter=5_000, class_weight=rare).fit(bounded(logits), grades)
    coefficients, intercept = model.coef_, model.intercept_
    if len(given) == 2:  # one row stands for the second grade against the first
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercept = np.concatenate([np.zeros_like(intercept), intercept])
    weights[given], bias[given] = coefficients, intercept
    return weights, bias


def bounded(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits without infinities: beyond 20 there is no more to be certain of."""
    import numpy as np

    return np.asarray(np.clip(logits, -20, 20), dtype=np.float64)


def _parts(grades: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of the folds each text is in, every grade spread evenly."""
    import numpy as np

    parts = np.empty(len(grades), dtype=np.int64)
    parts[np.argsort(grades, kind="stable")] = np.arange(len(grades)) % _FOLDS
    return parts


def _fit(inputs: Any, wanted: NDArray[np.bool_], regularisation: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    # liblinear's dual solver is the quick one for few texts and many columns; one thread, seeded: always the same.
    model = LogisticRegression(
        C=regularisation, solver="liblinear", dual=True, tol=1e-2, max_iter=2_000, random_state=0
    )
    return model.fit(inputs, wanted)


def _platt(logits: NDArray[np.float64], wanted: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset that make the logits' probabilities honest."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        model = LogisticRegression(C=1e6).fit(logits[:, None], wanted)
    slope = float(model.coef_[0, 0])
    return (slope, float(model.intercept_[0])) if slope > 0 else (1.0, 0.0)
