from hornbook.teacher.builtin.exercises.catalogue import BY_NAME, FAMILIES, compositions
from hornbook.teacher.builtin.exercises.phrasing import FRAMES, QUESTIONS


def test_there_are_many_families_and_compositions() -> None:
    assert len(FAMILIES) == len(BY_NAME) >= 25
    assert sum(map(len, compositions().values())) >= 600
    assert min(map(len, compositions().values())) >= 12


def test_keys_name_the_family_and_the_parts() -> None:
    assert "reduce/sum+square+even" in compositions()["reduce"]
    for family, keyed in compositions().items():
        for key, parts in keyed.items():
            assert key == f"{family}/{'+'.join(part.key for part in parts)}"


def test_every_family_has_sentences() -> None:
    for family in FAMILIES:
        assert FRAMES[family.frames]
        assert all("{f}" in question and "{x}" in question for question in QUESTIONS[family.frames])


def test_no_family_excludes_a_part_altogether() -> None:
    for family in FAMILIES:
        used = [{part.key for part in parts} for parts in zip(*compositions()[family.name].values(), strict=True)]
        assert used == [{part.key for part in axis} for axis in family.axes]
