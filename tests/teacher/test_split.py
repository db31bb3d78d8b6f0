from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hornbook.teacher.split import SHARE, TAUGHT, hold_out


def _grid(*sizes: int) -> dict[str, tuple[str, ...]]:
    keys: list[tuple[str, ...]] = [()]
    for axis, size in enumerate(sizes):
        keys = [(*key, f"{axis}{part}") for key in keys for part in range(size)]
    return {"+".join(key): key for key in keys}


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 10**6))
def test_every_part_stays_taught(sizes: list[int], seed: int) -> None:
    compositions = _grid(*sizes)
    held = hold_out(compositions, group="g", seed=seed)
    left = Counter(
        (axis, part) for key, parts in compositions.items() if key not in held for axis, part in enumerate(parts)
    )
    before = Counter((axis, part) for parts in compositions.values() for axis, part in enumerate(parts))
    for slot, count in before.items():
        assert left[slot] >= min(count, TAUGHT)
    assert len(held) <= round(SHARE * len(compositions))


def test_a_composing_family_holds_out_its_share() -> None:
    compositions = _grid(12, 13)
    assert len(hold_out(compositions, group="g", seed=1)) == round(SHARE * 156)


def test_small_families_hold_out_nothing() -> None:
    assert hold_out(_grid(11), group="g", seed=1) == frozenset()


def test_the_order_of_compositions_does_not_matter() -> None:
    compositions = _grid(6, 6)
    backwards = dict(reversed(compositions.items()))
    assert hold_out(compositions, group="g", seed=3) == hold_out(backwards, group="g", seed=3)


def test_seed_and_group_decide() -> None:
    compositions = _grid(12, 12)
    base = hold_out(compositions, group="g", seed=1)
    assert base != hold_out(compositions, group="g", seed=2)
    assert base != hold_out(compositions, group="h", seed=1)
