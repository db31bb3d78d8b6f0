from hornbook.teacher.builtin.exercises.catalogue import BY_NAME, FAMILIES, compositions, held_out
from hornbook.teacher.builtin.exercises.phrasing import FRAMES, QUESTIONS


def test_there_are_many_families_and_compositions() -> None:
    assert len(FAMILIES) == len(BY_NAME) >= 25
    assert sum(map(len, compositions().values())) >= 600
    composed = [len(keyed) for name, keyed in compositions().items() if BY_NAME[name].frames != "everyday"]
    assert min(composed) >= 12


def test_nothing_of_everyday_functions_is_held_out() -> None:
    assert {name for name, keys in held_out(1).items() if not keys} == {
        family.name for family in FAMILIES if family.frames == "everyday"
    }


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
