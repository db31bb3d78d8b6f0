"""Files of tensors: exact both ways, and one line for whatever may be wrong with one."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from hornbook.errors import UserError
from hornbook.model.formats import weights
from hornbook.model.formats.weights import Written

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.uint8, torch.bool]


def some_tensors(seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors of every dtype and of odd shapes, one without numbers and one without dimensions."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(3, 5), (7,), (), (2, 0, 4), (1, 3, 2), (11,), (4, 4)]
    return {
        f"layer.{index}.wäight": (torch.rand(shape, generator=generator) * 50).to(dtype)
        for index, (dtype, shape) in enumerate(zip(DTYPES, shapes, strict=True))
    }


def written(tensors: dict[str, torch.Tensor]) -> dict[str, Written]:
    return {name: Written(tuple(t.shape), t.dtype, lambda t=t: t) for name, t in tensors.items()}  # type: ignore[misc]


def held(folder: Path) -> dict[str, torch.Tensor]:
    return {name: stored.open().tensor for name, stored in weights.find(folder).items()}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype
        assert torch.equal(tensor, other[name]), name


def test_what_we_write_safetensors_reads(tmp_path: Path) -> None:
    tensors = some_tensors()
    weights.save(written(tensors), tmp_path)
    assert_same(load_file(tmp_path / "model.safetensors"), tensors)
    assert_same(held(tmp_path), tensors)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_what_safetensors_writes_we_read(tmp_path: Path) -> None:
    tensors = some_tensors(1)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert_same(held(tmp_path), tensors)


def test_the_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    tensors = some_tensors(2)
    for name, order in (("a", tensors), ("b", dict(reversed(tensors.items())))):
        weights.save(written(order), tmp_path / name)
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


def test_many_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PIECE", 40)
    tensors = {"a": torch.arange(700.0).view(100, 7), "b": torch.arange(50.0).bfloat16()}
    weights.save(written(tensors), tmp_path)
    assert_same(held(tmp_path), tensors)
    into, calls = torch.zeros(100, 7, dtype=torch.bfloat16), []
    weights.copy(tensors["a"], into, lambda: calls.append(1))
    assert torch.equal(into, tensors["a"].bfloat16())
    assert len(calls) == 100


def test_pages_that_are_given_back_are_read_again(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(100_000.0)}
    weights.save(written(tensors), tmp_path)
    opened = weights.find(tmp_path)["a"].open()
    before = opened.tensor.clone()
    opened.forget()
    assert torch.equal(opened.tensor, before)


def test_writing_to_a_tensor_leaves_the_file(tmp_path: Path) -> None:
    weights.save(written({"a": torch.ones(5)}), tmp_path)
    held(tmp_path)["a"].zero_()
    assert torch.equal(held(tmp_path)["a"], torch.ones(5))


def test_numbers_that_are_not_aligned(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}).encode()
    header += b" " * (-len(header) % 8) + b" "
    data = torch.tensor([1.5, -2.0, 3.25])
    body = data.numpy().tobytes()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + body)
    assert torch.equal(held(tmp_path)["a"], data)


def test_shards(tmp_path: Path) -> None:
    tensors = {f"t{index}": torch.full((10,), float(index)) for index in range(7)}
    weights.save(written(tensors), tmp_path, shard=100)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"model-0000{n}-of-00004.safetensors" for n in (1, 2, 3, 4)] + ["model.safetensors.index.json"]
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 280}
    assert index["weight_map"]["t6"] == names[3]
    assert_same(held(tmp_path), tensors)


def test_a_tensor_larger_than_a_shard_has_one_of_its_own(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(2), "b": torch.ones(100), "c": torch.ones(2)}
    weights.save(written(tensors), tmp_path, shard=50)
    assert_same(held(tmp_path), tensors)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_saving_again_leaves_nothing_of_before(tmp_path: Path) -> None:
    tensors = {f"t{index}": torch.full((10,), float(index)) for index in range(7)}
    weights.save(written(tensors), tmp_path, shard=100)
    weights.save(written({"a": torch.ones(3)}), tmp_path)
    assert_same(held(tmp_path), {"a": torch.ones(3)})
    weights.save(written(tensors), tmp_path, shard=60)
    assert_same(held(tmp_path), tensors)


def damaged(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


FOUR = b"\0" * 4
DAMAGE: dict[str, tuple[bytes, str]] = {
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
    "empty": (b"", "ends within its header"),
    "no header": (b"\x05\0\0", "ends within its header"),
    "header longer than the file": (damaged({}, length=1 << 60), "ends within its header"),
    "header no JSON": (damaged(b"{{{{"), "not valid JSON"),
    "header no text": (damaged(b"\xff\xfe\xfd\xfc"), "not valid JSON"),
    "header endless": (damaged(b"[" * 100_000), "not valid JSON"),
    "header a list": (damaged([1, 2]), "header is not valid"),
    "an entry a number": (damaged({"a": 3}), "entry of a is not valid"),
    "no shape": (damaged({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, FOUR * 2), "entry of a is not valid"),
    "a shape of text": (damaged(entry(shape="22"), FOUR * 2), "entry of a is not valid"),
    "a negative shape": (damaged(entry(shape=[-1, -2]), FOUR * 2), "entry of a is not valid"),
    "three offsets": (damaged(entry(data_offsets=[0, 4, 8]), FOUR * 2), "entry of a is not valid"),
    "unknown numbers": (damaged(entry(dtype="F4_E9"), FOUR * 2), "the dtype 'F4_E9', which is not supported"),
    "dtype no text": (damaged(entry(dtype=["F32"]), FOUR * 2), "entry of a is not valid"),
    "too few bytes for the shape": (damaged(entry(shape=[3]), FOUR * 2), "not the bytes that its shape needs"),
    "cut within a tensor": (damaged(entry(), FOUR), "ends within the tensor a"),
    "bytes left over": (damaged(entry(), FOUR * 3), "belong to no tensor"),
}


@pytest.mark.parametrize(("data", "told"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_told_in_one_line(data: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        weights.find(tmp_path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_any_change_of_a_byte_or_length_is_harmless(
    place: int, byte: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A damaged file is refused in one line, or its tensors can be opened; nothing else happens."""
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    weights.save(written(some_tensors(3)), folder)
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[place % len(data)] = byte
    path.write_bytes(data[: len(data) - cut % len(data) if cut % 3 else len(data)])
    try:
        held(folder)
    except UserError as error:
        assert "\n" not in str(error)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.safetensors is missing"):
        weights.find(tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        weights.find(tmp_path / "nowhere")


def test_shards_without_their_index(tmp_path: Path) -> None:
    weights.save(written({"a": torch.ones(9), "b": torch.ones(9)}), tmp_path, shard=40)
    (tmp_path / "model.safetensors.index.json").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors\.index\.json is missing; it tells where in 2 files"):
        weights.find(tmp_path)


INDEXES: dict[str, tuple[Any, str]] = {
    "no map": ({}, "has no weight_map"),
    "a list": ([1], "has no weight_map"),
    "files no text": ({"weight_map": {"a": 3}}, "has no weight_map"),
    "a missing shard": ({"weight_map": {"a": "gone.safetensors"}}, "gone.safetensors is missing"),
    "a tensor in no shard": (
        {"weight_map": {"a": "model.safetensors", "b": "model.safetensors"}},
        "lacks the tensor b",
    ),
    "a tensor it forgot": ({"weight_map": {"a": "model.safetensors"}}, "does not list the tensor c"),
    "a file elsewhere": ({"weight_map": {"a": "../model.safetensors"}}, "does not lie beside it"),
}


@pytest.mark.parametrize(("index", "told"), INDEXES.values(), ids=INDEXES.keys())
def test_a_wrong_index_is_told_in_one_line(index: Any, told: str, tmp_path: Path) -> None:
    weights.save(written({"a": torch.ones(2), "c": torch.ones(2)}), tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError) as caught:
        weights.find(tmp_path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pickled_files(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    assert_same(held(tmp_path), tensors)


def test_pickled_shards(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save({"b": torch.ones(3)}, tmp_path / "pytorch_model-00002-of-00002.bin")
    places = {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    assert_same(held(tmp_path), {"a": torch.ones(2), "b": torch.ones(3)})


class Trap:
    """Runs a function of its choice when it is unpickled."""

    def __reduce__(self) -> Any:
        return (Path.mkdir, (Path("must-not-be-made"),))


@pytest.mark.parametrize("content", [{"a": Trap()}, [1, 2], {"a": 3}, None], ids=["code", "list", "number", "cut"])
def test_pickled_files_of_other_things_are_refused(
    content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.ones(100)} if content is None else content, "pytorch_model.bin")
    if content is None:
        Path("pytorch_model.bin").write_bytes(Path("pytorch_model.bin").read_bytes()[:300])
    with pytest.raises(UserError, match=r"pytorch_model\.bin") as caught:
        weights.find(tmp_path)
    assert "\n" not in str(caught.value)
    assert not Path("must-not-be-made").exists()
