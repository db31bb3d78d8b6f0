from random import Random

from hypothesis import given
from hypothesis import strategies as st

from hornbook.teacher.builtin.sampling import kinds_for


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 300))
def test_shares_are_kept_to_the_nearest_whole(weights: list[int], count: int) -> None:
    shares = {f"kind{number}": weight / sum(weights) for number, weight in enumerate(weights)}
    kinds = kinds_for(shares, count, Random(1))
    assert len(kinds) == count
    for kind, share in shares.items():
        assert abs(kinds.count(kind) - share * count) <= 1
