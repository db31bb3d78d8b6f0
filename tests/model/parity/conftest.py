"""What every family's parity test does: our model, saved, opened by transformers, and compared number by number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hornbook.model.formats import checkpoint
from hornbook.model.formats.architectures import architecture_for
from hornbook.model.transformer import Transformer

VOCABULARY = 400


def some_ids(rows: int, time: int, seed: int) -> torch.Tensor:
    return torch.randint(VOCABULARY, (rows, time), generator=torch.Generator().manual_seed(seed))


def opened(folder: Path, **options: Any) -> Any:
    """The folder as transformers reads it, with no key missing and none left over."""
    from transformers import AutoModelForCausalLM

    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, attn_implementation="eager", **options
    )
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    return model.eval()


class Parity:
    """A family's comparisons; `shape` are the switches of ModelConfig that differ from the family's small one."""

    def __init__(self, make_model: Callable[..., Transformer], folder: Path) -> None:
        self.make_model, self.folder = make_model, folder
        self.family: dict[str, Any] = {}
        self.architecture = ""

    def pair(self, seed: int = 0, **shape: Any) -> tuple[Transformer, Any]:
        """Our model with random weights, biases included, and the same one in transformers."""
        model = self.make_model(seed, **(self.family | shape))
        generator = torch.Generator().manual_seed(seed + 1)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    parameter.normal_(0.0, 0.3, generator=generator)
        folder = self.folder / f"saved-{len(list(self.folder.iterdir()))}"
        checkpoint.save(model, folder)
        options = {"experts_implementation": "eager"} if model.config.experts else {}
        theirs = opened(folder, **options)
        assert type(theirs).__name__ == self.architecture
        assert model.config.parameters() == sum(p.numel() for p in theirs.parameters())
        return checkpoint.load(folder), theirs

    @torch.no_grad()
    def logits(self, time: int = 33, **shape: Any) -> None:
        ours, theirs = self.pair(3, **shape)
        ids = some_ids(3, time, seed=4)
        wanted = theirs(ids).logits
        assert wanted.std() > 0.5, "logits of almost zero would agree whatever the model does"
        torch.testing.assert_close(ours(ids), wanted, atol=1e-4, rtol=0)

    @torch.no_grad()
    def padding(self, side: str, **shape: Any) -> None:
        """Sequences of unequal lengths in one batch: equal to transformers' batch, and to each sequence alone."""
        ours, theirs = self.pair(5, **shape)
        lengths, time = [17, 9, 1, 20], 20
        ids, attention_mask = torch.full((4, time), 5), torch.zeros(4, time, dtype=torch.bool)
        for row, length in enumerate(lengths):
            place = slice(time - length, time) if side == "left" else slice(0, length)
            ids[row, place] = some_ids(1, length, seed=row)[0]
            attention_mask[row, place] = True
        made = ours(ids, attention_mask=attention_mask)
        positions = (attention_mask.long().cumsum(1) - 1).clamp(min=0)
        wanted = theirs(ids, attention_mask=attention_mask.long(), position_ids=positions).logits
        assert made.isfinite().all()
        torch.testing.assert_close(made[attention_mask], wanted[attention_mask], atol=1e-4, rtol=0)
        for row in range(4):
            alone = theirs(ids[row, attention_mask[row]][None]).logits[0]
            torch.testing.assert_close(made[row, attention_mask[row]], alone, atol=1e-4, rtol=0)

    @torch.no_grad()
    def packed(self, *, restarts: bool = True, **shape: Any) -> None:
        """Documents packed in rows: equal to each alone, and to transformers' own packing by positions that restart."""
        ours, theirs = self.pair(6, **shape)
        lengths = [[7, 1, 12, 4], [3, 9, 10, 2]]
        ids = some_ids(2, 24, seed=8)
        document_ids = torch.stack([torch.arange(4).repeat_interleave(torch.tensor(row)) for row in lengths])
        made = ours(ids, document_ids=document_ids)
        for row, number in [(row, number) for row in range(2) for number in range(4)]:
            mine = document_ids[row] == number
            torch.testing.assert_close(made[row, mine], theirs(ids[row, mine][None]).logits[0], atol=1e-4, rtol=0)
        if restarts:
            positions = torch.stack([torch.cat([torch.arange(n) for n in row]) for row in lengths])
            wanted = theirs(ids, position_ids=positions, use_cache=False).logits
            torch.testing.assert_close(made, wanted, atol=1e-4, rtol=0)

    @torch.no_grad()
    def window(self, window: int, length: int, **shape: Any) -> None:
        """In one layer the last token sees the first up to the window's length, and no longer one token further."""
        ours, theirs = self.pair(8, layers=1, sliding_window=window, **shape)
        ids = some_ids(1, length, seed=1)
        changed = ids.clone()
        changed[0, 0] = (ids[0, 0] + 1) % VOCABULARY
        made = ours(ids)
        torch.testing.assert_close(made, theirs(ids).logits, atol=1e-4, rtol=0)
        change = (made[0, -1] - ours(changed)[0, -1]).abs().max()
        assert (change < 1e-5) == (length > window)

    def gradients(self, *, training: bool = False, **shape: Any) -> None:
        ours, theirs = self.pair(7, **shape)
        ids, targets = some_ids(2, 21, seed=7), some_ids(2, 21, seed=9).flatten()
        for logits in (ours(ids), theirs(ids).logits):
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets).backward()
        wanted = {name: p.grad for name, p in theirs.named_parameters()}
        layout = architecture_for(ours.config).layout(ours.config)
        compared = 0
        for name, parameter in ours.named_parameters():
            parts = next(way for way in layout[name] if all(part.theirs in wanted for part in way))
            other = torch.empty_like(parameter)
            for part in parts:
                part.of_ours(other).copy_(part.of_theirs(wanted[part.theirs]))
            assert parameter.grad is not None
            # A key's bias shifts all scores of a query alike: its gradient is nothing but rounding.
            if other.norm() > 1e-6:
                assert (parameter.grad - other).norm() <= 1e-4 * other.norm(), name
                compared += 1
        assert compared >= len(list(ours.named_parameters())) - 1

    @torch.no_grad()
    def reads(self, config: Any, shards: str | None, **expected: Any) -> None:
        """A model that transformers makes and writes, in one file or in several, is read and computes the same."""
        from transformers import AutoModelForCausalLM

        torch.manual_seed(11)
        theirs = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        for name, parameter in theirs.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.3)
        theirs.save_pretrained(self.folder, **({"max_shard_size": shards} if shards else {}))
        assert (self.folder / "model.safetensors.index.json").exists() == (shards is not None)
        ours = checkpoint.load(self.folder)
        ids = some_ids(2, 30, seed=12) % config.vocab_size
        wanted = theirs(ids).logits
        assert wanted.std() > 0.5
        torch.testing.assert_close(ours(ids), wanted, atol=1e-4, rtol=0)
        assert ours.config.parameters() == sum(p.numel() for p in theirs.parameters())
        for key, value in expected.items():
            assert getattr(ours.config, key) == value


@pytest.fixture
def parity(make_model: Callable[..., Transformer], tmp_path: Path, request: pytest.FixtureRequest) -> Parity:
    """The comparisons for the family that the test's module names in FAMILY and ARCHITECTURE."""
    tools = Parity(make_model, tmp_path)
    tools.family, tools.architecture = request.module.FAMILY, request.module.ARCHITECTURE
    return tools
