"""Records of prepared models, as if somebody had prepared them on this machine."""

from __future__ import annotations

from pathlib import Path

import msgspec

from foleyd.runtime import prepared


def prepared_by_hand(model: Path, networks: dict[str, prepared.Network]) -> Path:
    """The folder of what was prepared of `model`: a record with these networks, and empty files for them."""
    record = prepared.Prepared(
        model=model.name,
        openvino=prepared.version(),
        processor=prepared.processor(),
        threads=2,
        networks=networks,
    )
    folder = prepared.place(model)
    folder.mkdir(parents=True)
    for name in networks:
        (folder / f"{name}.xml").touch()
    (folder / prepared.RECORD).write_bytes(msgspec.json.encode(record))
    return folder
