from __future__ import annotations

from pathlib import Path
from typing import Any

from hornbook.commands.folders import model_places
from hornbook.files import write_json
from hornbook.runs.single import content


def test_an_adapter_is_read_from_its_folder_and_its_bases(make_checkpoint: Any, tmp_path: Path) -> None:
    base = make_checkpoint(seed=1)[1]
    assert model_places(base) == {"model": base}
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    write_json(adapter / "adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": str(base)})
    places = model_places(adapter)
    assert places == {"adapter": adapter, "base": base}
    before = {name: content(place) for name, place in places.items()}
    write_json(base / "generation_config.json", {"do_sample": True})
    after = {name: content(place) for name, place in places.items()}
    assert after["adapter"] == before["adapter"] and after["base"] != before["base"]
