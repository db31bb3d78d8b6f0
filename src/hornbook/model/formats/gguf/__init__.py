"""GGUF, the file that llama.cpp runs: models of llama, phi2 and phi3, with their tokenizer and chat template."""

from __future__ import annotations

import re
from functools import partial

from hornbook.errors import UserError
from hornbook.model.formats.architectures import architecture_for, to_huggingface
from hornbook.model.formats.contents import Contents, ImportSettings, ModelFile
from hornbook.model.formats.gguf import architectures, header, tensors, tokenizer, vocabulary
from hornbook.model.formats.gguf.tensors import Rows
from hornbook.model.formats.weights import Written
from hornbook.model.transformer import blank

SUFFIX = ".gguf"
MAGIC = b"GGUF"

_SPLIT = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")


def read(file: ModelFile, settings: ImportSettings) -> Contents:
    """What a GGUF file holds. Raises UserError with one line for what is damaged or not supported."""
    dtype = settings.dtype
    if (split := _SPLIT.search(file.where)) and int(split[1]) > 1:
        raise UserError(
            f"{file.where} is one of {int(split[1])} files of a split model; join them with `llama-gguf-split --merge` "
            "of llama.cpp and give the result"
        )
    found = header.read(file)
    family = architectures.family_of(found)
    config = architectures.config_of(found, family)
    try:
        architecture = architecture_for(config)
    except UserError as error:
        found.refuse(str(error))
    words = vocabulary.read(found, config.vocabulary, settings.pre)
    built = tokenizer.build(words, found)
    layout = architecture.layout(config)
    written: dict[str, Written] = {}
    used: set[str] = set(architectures.FACTORS)
    for name, tensor in blank(config).state_dict().items():
        if config.tied_embeddings and name == "lm_head.weight":
            continue
        for part in layout[name][0]:
            shape = part.their_shape(tensor)
            parts = architectures.parts_of(part.theirs, shape, found, family, config)
            used |= {rows.tensor.name for rows in parts if isinstance(rows, Rows)}
            written[part.theirs] = Written(shape, dtype, partial(tensors.read, file, parts, shape, dtype))
    unknown = sorted(found.tensors.keys() - used)
    if unknown:
        found.refuse(f"it holds {len(unknown)} tensors that its model has no place for, {unknown[0]} among them")
    values = to_huggingface(config, architecture) | {
        "use_cache": True,
        "torch_dtype": str(dtype).removeprefix("torch."),
        **tokenizer.special_ids(words),
    }
    kinds = sorted({tensor.kind.name for tensor in found.tensors.values()})
    return Contents(
        config=values,
        tensors=written,
        files=tokenizer.files(words, built, config.context),
        about={
            "format": "GGUF",
            "architecture": found.get("general.architecture"),
            "name": words.name,
            "parameters": config.parameters(),
            "types": kinds,
            "tokenizer": words.model if words.model == "llama" else f"{words.model}, {words.pre}",
        },
    )
