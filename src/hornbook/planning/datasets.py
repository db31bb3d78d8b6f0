"""Sizes of open datasets that can't be measured before they are downloaded, as their makers tell them.

`hornbook plan` must work without a network. A dataset that is not here is simply of unknown size.
"""

from __future__ import annotations

from dataclasses import dataclass

from hornbook.corpus.read.hub import HubDataset


@dataclass(frozen=True)
class Told:
    """Rows, tokens by the maker's own tokenizer, and characters; None where not told."""

    documents: int | None
    tokens: float | None
    characters: float | None = None


# Name and configuration on the Hugging Face hub -> what its card, its viewer or its paper says.
DATASETS: dict[tuple[str, str | None], Told] = {
    ("HuggingFaceTB/smollm-corpus", "cosmopedia-v2"): Told(39_134_000, 28e9),
    ("HuggingFaceTB/smollm-corpus", "fineweb-edu-dedup"): Told(None, 220e9),
    ("HuggingFaceTB/cosmopedia", None): Told(31_100_000, 25e9),
    ("HuggingFaceFW/fineweb-edu", None): Told(None, 1.3e12),
    ("HuggingFaceFW/fineweb-edu", "sample-10BT"): Told(None, 10e9),
    ("HuggingFaceFW/fineweb-edu", "sample-100BT"): Told(None, 100e9),
    ("HuggingFaceFW/fineweb-edu", "sample-350BT"): Told(None, 350e9),
    ("HuggingFaceFW/fineweb", None): Told(None, 15e12),
    ("open-web-math/open-web-math", None): Told(6_300_000, 14.7e9),
    ("codeparrot/codeparrot-clean", None): Told(5_361_373, None, 50e9),
    ("TinyGSM/TinyGSM", None): Told(11_800_000, 1.8e9),
}


def told(dataset: HubDataset) -> Told:
    """What is told of a dataset; nothing for one that is not listed."""
    return DATASETS.get((dataset.name, dataset.config), Told(None, None))
