"""What the stages search, extend and measure have in common: the folders that they read and the long documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hornbook.longrope.settings import LongDocumentsSettings
from hornbook.runs.stage import Input, Work

if TYPE_CHECKING:
    from hornbook.longrope.documents import LongDocuments

CORPUS = Input("corpus", ("clean",), "A corpus folder: one with documents/ in it.", reads="documents")

TOKENS = Input(
    "tokens", ("tokens",), "What `hornbook tokens` made: a tokenizer, shards and validation texts.", holds="shards"
)

BASE = Input("base", ("pretrain",), "The model with the short context.", checkpoint=True)

SEARCHED = Input("searched", ("search",), "The model with the factors that were found.", inside="model")

EXTENDED = Input("extended", ("extend",), "The model trained with them.", inside="model")


def documents_of(work: Work[Any], **most: int) -> LongDocuments:
    """The long documents of the corpus that is read, as ids; `most`: see `long_documents`."""
    from hornbook.longrope.documents import long_documents, of_corpus
    from hornbook.model.tokenizers import Tokenizer

    wanted: LongDocumentsSettings = work.settings
    tokenizer = Tokenizer(work.inputs["tokens"] / "tokenizer")
    texts = of_corpus(
        work.inputs["corpus"], wanted.sources, wanted.minimum_score, held_out=wanted.held_out, seed=wanted.seed
    )
    return long_documents(texts, tokenizer, wanted.context, seed=wanted.seed, **most)
