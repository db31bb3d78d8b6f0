from hornbook.teacher.diversity import SAMPLE, diversity


def test_repetition_lowers_both_figures() -> None:
    varied = diversity([f"word{i} and word{i + 1} or word{i * 7}" for i in range(200)])
    dull = diversity(["the same words again"] * 200)
    assert dull["distinct_3_grams"] < varied["distinct_3_grams"] <= 1
    assert dull["compression_ratio"] < varied["compression_ratio"] < 1


def test_counts_by_hand() -> None:
    assert diversity(["a b c d", "a b c"])["distinct_3_grams"] == round(2 / 3, 4)


def test_few_texts_and_many() -> None:
    assert diversity([])["texts"] == 0
    assert diversity(["a"])["distinct_3_grams"] == 0
    assert diversity(["a b c"] * (SAMPLE + 9))["texts"] == SAMPLE
