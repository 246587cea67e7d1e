"""The models that the plugin offers: those that the daemon tells of, as far as they are names."""

from __future__ import annotations

import asyncio
from pathlib import Path

from foleyd import messages as m
from foleyd.client import Client
from foleyd.wire.outlet import Peer
from foleyd.wire.zmq import Answer
from plugin_build import Desk
from serving import PATIENCE, Served
from small_daemon import Daemon


class Shop(Daemon):
    """Has models of these names."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names

    async def models(self, request: m.ModelsRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
        told = (
            m.ModelInfo(id=name, revision="", title=name, licence="", sellable=False, capabilities={})
            for name in self.names
        )
        return m.ModelsReply(models=tuple(told)), ()


def test_what_is_no_name_is_not_offered_and_a_presets_own_model_is(desk: Desk, tmp_path: Path) -> None:
    names = ["starter", "one/two", "two\nlines", "x" * 256, "", "one/two"]

    async def scenario() -> None:
        file = tmp_path / "foleyd.json"
        async with Shop(*names, *(f"z/{k:04}" for k in range(500))).serve(file):
            told = await asyncio.to_thread(desk, "models", file, "a/way")
        first = [["", "The daemon's own: starter"], ["one/two", "one/two"], ["starter", "starter"]]
        assert told[:3] == first
        assert told[3:-1] == [[f"z/{k:04}"] * 2 for k in range(198)]
        assert told[-1] == ["a/way", "a/way (not on this disk)"]

    asyncio.run(scenario())


def test_the_models_of_a_real_daemon_are_offered(desk: Desk, tmp_path: Path) -> None:
    with Served(tmp_path) as daemon, Client(daemon.file, timeout_s=PATIENCE) as client:
        listed = sorted(one.id for one in client.models().models)
        assert "starter" in listed
        told = desk("models", daemon.file, "")
    assert told == [["", "The daemon's own: starter"], *([name, name] for name in listed)]
