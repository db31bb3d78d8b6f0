"""A training spread over ranks: weights, gradients and optimisers' means in shards (FSDP2), batches in shares.

All of it stands here: the model does not know. What a step reads follows from the seed and the step's number alone, so
that any number of ranks reads the same; each takes its share of the batch's parts. The objectives' losses are sums over
parts, counted over the whole batch: gradients add up over ranks and are never averaged.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from hornbook.machine import Choice, cores, separate_compiled_code
from hornbook.model import cpu_attention
from hornbook.model.transformer import Block, Transformer
from hornbook.runs import ranks
from hornbook.seeds import derive
from hornbook.train.objective import Batch, Objective


@dataclass(frozen=True)
class Share:
    """Of a step's batch, the parts that this rank computes: every `world`-th of all.

    seed: of what is drawn at random in them, each part's own, whichever rank computes it.
    """

    parts: Sequence[Batch]
    seed: int

    def __iter__(self) -> Iterator[tuple[Batch, float]]:
        """Parts and what their losses are multiplied by. Every rank has as many parts, since their passes meet: those
        that run out of parts compute one more, which counts nothing.
        """
        rank, world = ranks.rank(), ranks.world()
        for start in range(0, len(self.parts), world):
            at = start + rank
            counts = at < len(self.parts)
            torch.manual_seed(derive(self.seed, at))
            yield self.parts[at if counts else 0], float(counts)

    def together(self, made: Sequence[Tensor]) -> Tensor:
        """What all ranks made of their parts' rows, in the batch's order."""
        if ranks.world() == 1:
            return torch.cat(list(made))
        everyone: list[list[Tensor]] = [[] for _ in range(ranks.world())]
        dist.all_gather_object(everyone, [one.cpu() for one in made])
        return torch.cat([one for turn in zip(*everyone, strict=True) for one in turn][: len(self.parts)])


def share(objective: Objective, step: int, micro_batch: int | None, device: str, seed: int) -> Share:
    """This rank's share of the batch of step `step`; micro_batch: rows that are computed at once."""
    batch = {name: tensor.to(device) for name, tensor in objective.batch(step).items()}
    seed = derive(seed, "step", step)
    if ranks.world() == 1:
        return Share([batch] if micro_batch is None else list(objective.micro_batches(batch, micro_batch)), seed)
    rows = -(-max(len(tensor) for tensor in batch.values() if tensor.ndim) // ranks.world())
    return Share(list(objective.micro_batches(batch, min(rows, micro_batch or rows))), seed)


def total(figures: dict[str, float]) -> dict[str, float]:
    """The sum of figures over ranks; all ranks name the same."""
    if ranks.world() == 1:
        return figures
    added = torch.tensor(list(figures.values()), dtype=torch.float64)
    dist.all_reduce(added)
    return dict(zip(figures, added.tolist(), strict=True))


def number(norm: Tensor) -> float:
    """A number of the whole training, of which each rank may have a part."""
    return (norm.full_tensor() if isinstance(norm, DTensor) else norm).item()


def meet(device: str) -> None:
    """Let the ranks of this training find each other. Those of one machine share its processors evenly."""
    if ranks.world() == 1:
        return
    if device == "cuda":
        torch.cuda.set_device(ranks.local_rank())
    else:
        torch.set_num_threads(max(1, cores() // ranks.here()))
    if not dist.is_initialized():
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
            store=PrefixStore("hornbook/train", ranks.store()),
            rank=ranks.rank(),
            world_size=ranks.world(),
        )


def part(device: str) -> None:
    """After a training: rank 0 has the processors for itself."""
    if ranks.world() > 1 and device == "cpu":
        torch.set_num_threads(cores())


def spread(model: Transformer, machine: Choice) -> Transformer:
    """A model to train in place of `model`: spread over the ranks where there are several, otherwise itself.

    Every rank gives the same weights. A block is whole on each rank only while it is computed, embeddings and output
    matrix from the forward to the backward pass. With bf16 activations weights travel in bf16, and gradients add up in
    fp32. What is given stays a plain model on rank 0, and is emptied on the others.
    """
    if ranks.world() == 1:
        return model
    mesh = init_device_mesh(machine.device, (ranks.world(),))
    narrow = machine.compute == torch.bfloat16
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if narrow else None,
        reduce_dtype=torch.float32 if narrow else None,
        cast_forward_inputs=False,  # angles stay in fp32
    )
    spread_out = copy.deepcopy(model)
    for module in (*spread_out.blocks, spread_out):
        fully_shard(module, mesh=mesh, mp_policy=policy)
        assert isinstance(module, FSDPModule)
        # Sums: an average over ranks would be of parts that are sums already. Gloo would take it for a sum besides.
        module.set_gradient_divide_factor(1.0)
        module.set_force_sum_reduction_for_comms(True)
    register_fsdp_forward_method(spread_out, "hidden")
    if ranks.rank():
        model.to("meta")
    return spread_out


def prepare_blocks(model: Transformer, checkpoints: str, *, compiled: bool) -> None:
    """Have each block forget what its backward pass computes again, and compile it where that is wanted.

    checkpoints: "none", "selective" (matrix products and attention are kept), "full" (what goes into the block is).
    One block's code serves all blocks: a fraction of the time that compiling the whole model takes. Code for each size
    of its own: code for any size would replace the first, and compute otherwise than it did. Of a block that is spread
    over ranks what stands between its exchanges is compiled.
    """
    if compiled:
        separate_compiled_code()
    for block in model.blocks:
        assert isinstance(block, Block)
        if checkpoints == "selective":
            block.forward = partial(  # type: ignore[method-assign]
                checkpoint, block.forward, use_reentrant=False, context_fn=_keep_products
            )
        elif checkpoints == "full":
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)  # type: ignore[method-assign]
        if compiled and (checkpoints != "none" or isinstance(block, FSDPModule)):
            block.forward = torch.compile(block.forward, dynamic=False)  # type: ignore[method-assign]
        elif compiled:
            block.compile(dynamic=False)


_aten = torch.ops.aten
_KEPT = {
    _aten.mm.default,
    _aten.addmm.default,
    _aten.bmm.default,
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_cudnn_attention.default,
    cpu_attention.OPERATOR,
}


def _keep_products() -> Any:
    def policy(context: Any, operation: Any, *given: Any, **named: Any) -> CheckpointPolicy:
        return CheckpointPolicy.MUST_SAVE if operation in _KEPT else CheckpointPolicy.PREFER_RECOMPUTE

    return create_selective_checkpoint_contexts(policy)  # type: ignore[no-untyped-call]


def agreed(wish: bool) -> bool:
    """What rank 0 wishes, on all ranks."""
    if ranks.world() == 1:
        return wish
    told = torch.tensor(wish)
    dist.broadcast(told, 0)
    return bool(told)


def told_by_first(figures: dict[str, float] | None) -> dict[str, float]:
    """What rank 0 found, on all ranks."""
    everywhere = [figures]
    if ranks.world() > 1:
        dist.broadcast_object_list(everywhere, 0)
    assert everywhere[0] is not None
    return everywhere[0]


def hand_out(model: Transformer, spread_out: Transformer) -> None:
    """The other way round from `gather`: every rank gets its shards of what `model` is on rank 0."""
    if spread_out is model:
        return
    wholes = {} if ranks.rank() else dict(model.named_parameters())
    for name, shard in spread_out.named_parameters():
        value = wholes[name].detach().to(shard.device) if wholes else torch.empty(shard.shape, dtype=shard.dtype)
        value = value.to(shard.device)
        if isinstance(shard, DTensor):
            shard.data.copy_(distribute_tensor(value, shard.device_mesh, shard.placements))
        else:
            dist.broadcast(value, 0)
            shard.data.copy_(value)


def gather(spread_out: Transformer, model: Transformer) -> None:
    """Give `model` on rank 0 the weights that `spread_out` has over all ranks, one by one."""
    if spread_out is model:
        return
    for module in spread_out.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
    wholes = {} if ranks.rank() else dict(model.named_parameters())
    for name, shard in spread_out.named_parameters():
        value = shard.full_tensor() if isinstance(shard, DTensor) else shard
        if name in wholes:
            with torch.no_grad():
                wholes[name].copy_(value)
