"""Which documents the teacher is asked about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from hornbook.seeds import derive


def choose(documents: Iterable[tuple[str, str]], count: int, *, seed: int) -> list[str]:
    """Ids of `count` documents, drawn from (id, source) pairs, in random order; all of them when there are fewer.

    A source is drawn from by its size, but a small one gets a tenth of an equal part if it has that many. The draw
    follows from ids, sources and seed, not from the order of the documents. Text that occurs twice is one document.
    """
    source_of: dict[str, str] = {}
    for identity, source in documents:
        source_of[identity] = min(source, source_of.get(identity, source))
    members: dict[str, list[str]] = defaultdict(list)
    for identity in sorted(source_of, key=lambda identity: (derive(seed, "grade", "sample", identity), identity)):
        members[source_of[identity]].append(identity)
    quotas = _quotas({source: len(ids) for source, ids in members.items()}, count)
    drawn = {identity for source, ids in members.items() for identity in ids[: quotas[source]]}
    return sorted(drawn, key=lambda identity: (derive(seed, "grade", "order", identity), identity))


def _quotas(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """How many of `count` each source gives: a small floor for each, the rest by size (largest remainders)."""
    count = min(count, sum(sizes.values()))
    quotas = {source: min(size, count // (10 * len(sizes))) for source, size in sizes.items()}
    spare = {source: size - quotas[source] for source, size in sizes.items()}
    rest, room = count - sum(quotas.values()), sum(spare.values())
    parts = {source: divmod(rest * spare[source], max(1, room)) for source in sorted(sizes)}
    for source, (whole, _) in parts.items():
        quotas[source] += whole
    left = count - sum(quotas.values())
    for source in sorted(parts, key=lambda source: (-parts[source][1], source))[:left]:
        quotas[source] += 1
    return quotas
