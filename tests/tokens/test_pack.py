from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hornbook.tokens.pack import fill, pack

lengths_and_row = st.tuples(st.lists(st.integers(0, 70), max_size=40), st.integers(1, 25))


@given(lengths_and_row)
def test_every_token_lies_in_exactly_one_place(case: tuple[list[int], int]) -> None:
    lengths, row = case
    plan = pack(lengths, row)
    placed = sorted((sequence, at) for pieces in plan for sequence, start, end in pieces for at in range(start, end))
    assert placed == [(sequence, at) for sequence, length in enumerate(lengths) for at in range(length)]
    assert all(0 < sum(end - start for _, start, end in pieces) <= row for pieces in plan)


@given(lengths_and_row)
def test_what_fits_a_row_is_never_cut(case: tuple[list[int], int]) -> None:
    lengths, row = case
    pieces = [sequence for row_pieces in pack(lengths, row) for sequence, _, _ in row_pieces]
    for sequence, length in enumerate(lengths):
        assert pieces.count(sequence) == -(-length // row)


@given(lengths_and_row)
def test_no_two_half_empty_rows(case: tuple[list[int], int]) -> None:
    """Best fit leaves at most one row that is not more than half full."""
    plan = pack(*case)
    sizes = [sum(end - start for _, start, end in pieces) for pieces in plan]
    assert sum(2 * size <= case[1] for size in sizes) <= 1


@given(lengths_and_row)
def test_fill_lays_out_the_plan(case: tuple[list[int], int]) -> None:
    lengths, row = case
    sequences = [[1000 * sequence + at for at in range(length)] for sequence, length in enumerate(lengths)]
    plan = pack(lengths, row)
    table = fill(plan, sequences, row, pad=999_999)
    assert table.shape == (len(plan), row)
    assert sorted(table[table != 999_999].tolist()) == sorted(token for tokens in sequences for token in tokens)
    for line in table.tolist():
        used = [token for token in line if token != 999_999]
        assert line == used + [999_999] * (row - len(used)), "padding is at the end"


def test_by_hand() -> None:
    """Row of 5, lengths 7 3 2 2 1: a full row of the 7 and its rest 2; then 3 + 2, 2 + 2 + 1."""
    assert pack([7, 3, 2, 2, 1], 5) == [
        [(0, 0, 5)],
        [(1, 0, 3), (0, 5, 7)],
        [(2, 0, 2), (3, 0, 2), (4, 0, 1)],
    ]
    assert pack([], 5) == []
