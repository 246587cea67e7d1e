"""The client, with a small daemon at the other end of real sockets."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from foleyd import messages as m
from foleyd.client import AsyncClient, Gap
from foleyd.client.events import Ears, Mailbox
from foleyd.errors import BadRequest, Busy, Cancelled, FoleydError, JobLost, NoDaemon, RenderFailed
from foleyd.wire import connection as connections
from foleyd.wire import envelope
from foleyd.wire.outlet import Peer
from foleyd.wire.zmq import Answer
from small_daemon import PATIENT, RATE, STATUS, Daemon
from zmq_peers import INFO, run

JOB = m.JobEvent(
    number=1, at=0.0, job_id=7, client="", slot="", state="running", position=0, eta_s=None, step=1, steps=3
)


def events(number: int, **changes: Any) -> m.JobEvent:
    return msgspec.structs.replace(JOB, number=number, **changes)


def test_a_render_from_the_words_to_the_samples() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        async with (
            daemon.serve() as endpoint,
            AsyncClient(endpoint.connection, name="desk", **PATIENT) as client,
        ):
            handle = await client.render("rain", seed=4, slot="a", bars=2, bpm=90, priority="live")
            assert (handle.job_id, handle.reply.state) == (1, "queued")
            request, peer = daemon.jobs[1]
            assert request == m.RenderRequest(
                recipe={"prompt": "rain", "seed": 4, "bars": 2, "bpm": 90},
                slot="a",
                priority="live",
                client="desk",
            )
            assert peer.channel == "shell"
            daemon.end(1)
            result = await handle.result()
            assert (result.job_id, result.state, result.kept, result.seconds) == (1, "done", (False,), 1.5)
            assert result.clips[0].prompt == "rain"
            [audio] = result.audio
            assert (audio.rate, audio.channels, audio.frames) == (RATE, 2, 3)
            assert audio.samples.dtype == np.float32
            np.testing.assert_array_equal(audio.samples, [[0.0, 0.25, -0.5], [1.0, -1.0, 0.125]])
            assert await handle.result() == result

    run(scenario)


def test_every_other_command() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        async with (
            daemon.serve() as endpoint,
            AsyncClient(endpoint.connection, name="me", **PATIENT) as client,
        ):
            assert await client.info() == INFO
            assert await client.status() == STATUS
            assert await client.models("starter") == m.ModelsReply(models=())
            assert await client.metrics() == "foleyd_up 1\n"
            assert (await client.shutdown()).pid > 0
            kept = await client.clip("c5")
            assert (kept.clips[0].clip_id, kept.audio[0].samples.shape, kept.job_id) == ("c5", (2, 3), None)
            assert (await client.clip("c5", audio=False)).audio == ()
            files = [b"RIFF....", b""]
            changed = await client.library(m.LibraryRequest(action="import"), files)
            assert (changed.changed, changed.notes) == (2, ("me",))
            asked = {name: (request, peer) for name, request, peer in daemon.desk.asked}
            assert {name for name, (_, peer) in asked.items() if peer.channel == "control"} == {
                "status", "metrics", "shutdown",
            }  # fmt: skip
            library = asked["library"][0]
            assert isinstance(library, m.LibraryRequest)
            assert [(one.kind, one.format, one.length) for one in library.buffers] == [
                ("source", "file", 8),
                ("source", "file", 0),
            ]
            assert asked["models"][0] == m.ModelsRequest(model="starter", client="me")

    run(scenario)


def test_a_job_can_be_watched_and_stopped() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        async with daemon.serve() as endpoint, AsyncClient(endpoint.connection, **PATIENT) as client:
            handle, other = await client.render("rain"), await client.render("wind")
            for step in (1, 2):
                daemon.tell_event(1, "running", step)
                daemon.tell_event(2, "running", step)
            daemon.end(1)
            seen = [(event.job_id, event.state, event.step) async for event in handle]
            assert seen == [(1, "queued", 0), (1, "running", 1), (1, "running", 2), (1, "done", 3)]
            assert [event async for event in handle] == []
            assert await other.cancel()
            with pytest.raises(Cancelled, match="The job was cancelled"):
                await other.result()
            assert not await other.cancel()
            assert await client.cancel(jobs=(9,)) == ()

    run(scenario)


@pytest.mark.parametrize(
    ("state", "code", "message", "kind", "said"),
    [
        ("failed", "render_failed", "It came to nothing.", RenderFailed, "It came to nothing."),
        ("failed", "", "", FoleydError, "The job failed"),
        ("superseded", "", "", Cancelled, "newer one on its slot"),
        ("cancelled", "", "Enough.", Cancelled, "Enough."),
    ],
)
def test_a_job_that_ends_badly_says_why(
    state: m.State, code: str, message: str, kind: type[FoleydError], said: str
) -> None:
    async def scenario() -> None:
        daemon = Daemon()
        async with daemon.serve() as endpoint, AsyncClient(endpoint.connection, **PATIENT) as client:
            handle = await client.render("rain")
            assert (await client.result(handle.job_id)).state == "running"
            daemon.end(1, state, code, message)
            for asked in (handle.result, lambda: client.result(handle.job_id)):
                with pytest.raises(kind, match=said):
                    await asked()

    run(scenario)


def test_refusals_come_with_what_they_say() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        async with daemon.serve() as endpoint, AsyncClient(endpoint.connection, **PATIENT) as client:
            daemon.refusal = Busy("The queue is full: wait.", 2.5)
            with pytest.raises(Busy, match=r"^The queue is full: wait\.$") as caught:
                await client.render("rain")
            assert caught.value.retry_after_s == 2.5
            with pytest.raises(BadRequest, match="count"):
                await client.render("rain", count=99)
            with pytest.raises(BadRequest, match="is no JSON"):
                await client.render("rain", seed=object())
            with pytest.raises(BadRequest, match="carries too much"):
                await client.library(m.LibraryRequest(action="import"), [b""] * 60)
            with pytest.raises(JobLost, match="job 99 is not known"):
                await client.result(99)
            with pytest.raises(BadRequest, match="no events called 'moon'"):
                client.events("moon")
            daemon.refusal = None
            handle = await client.render("rain")
            with pytest.raises(TimeoutError):
                await handle.result(timeout=0.01)

    run(scenario)


def test_samples_that_were_damaged_on_the_way_are_refused() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        good = daemon.infos()[0]
        async with daemon.serve() as endpoint, AsyncClient(endpoint.connection, **PATIENT) as client:
            for wrong, said in (
                ((msgspec.structs.replace(good, sha256="0" * 64),), "damaged on the way"),
                ((msgspec.structs.replace(good, length=20),), "damaged on the way"),
                ((good, good), "damaged on the way"),
                ((), "damaged on the way"),
                ((msgspec.structs.replace(good, frames=4),), "not known here"),
                ((msgspec.structs.replace(good, rate=0),), "not known here"),
                ((msgspec.structs.replace(good, format="<i2"),), "not known here"),
            ):
                daemon.infos = lambda wrong=wrong: wrong  # type: ignore[method-assign, misc]
                handle = await client.render("rain")
                daemon.end(handle.job_id)
                with pytest.raises(FoleydError, match=said):
                    await handle.result()
                with pytest.raises(FoleydError, match=said):
                    await client.clip("c5")

    run(scenario)


def test_events_with_their_gaps() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        async with daemon.serve() as endpoint, AsyncClient(endpoint.connection, **PATIENT) as client:
            async with client.events("job", "clip") as stream, client.events("worker") as workers:
                clip = m.ClipEvent(number=2, at=0.0, change="added", clip_id="c")
                worker = m.WorkerEvent(number=3, at=0.0, worker=STATUS.worker)
                for topic, event in (("job", JOB), ("clip", clip), ("worker", worker), ("job", events(7))):
                    endpoint.publish(topic, event)
                assert [await anext(stream) for _ in range(4)] == [JOB, clip, Gap(3), events(7)]
                assert [await anext(workers) for _ in range(2)] == [worker, Gap(3)]
                # a topic of a newer daemon has its numbers too
                endpoint.publish("moon", m.Event(number=8, at=0.0))
                endpoint.publish("job", events(9))
                assert await anext(stream) == events(9)
            assert [event async for event in stream] == []
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

    run(scenario)


def test_what_the_daemons_key_did_not_sign_is_not_heard() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        async with (
            daemon.serve() as endpoint,
            AsyncClient(endpoint.connection, **PATIENT) as client,
            client.events("job") as stream,
        ):
            signer = endpoint._signer
            pack, signer.pack = signer.pack, envelope.Signer("another").pack  # type: ignore[method-assign]
            with pytest.raises(NoDaemon, match="did not answer"):
                await client.library(m.LibraryRequest(action="list"), timeout_s=0.5)
            endpoint.publish("job", JOB)
            signer.pack = pack  # type: ignore[method-assign]
            endpoint.publish("job", events(2))
            assert [await anext(stream), await anext(stream)] == [Gap(1), events(2)]
            assert (await client.library(m.LibraryRequest(action="list"))).changed == 0

    run(scenario)


def test_the_end_of_the_client_ends_its_streams_and_its_waiting() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        async with daemon.serve() as endpoint:
            client = AsyncClient(endpoint.connection, **PATIENT)
            with pytest.raises(NoDaemon, match="not open"):
                await client.info()
            await client.open()
            stream = await client.events().__aenter__()
            handle = await client.render("rain")
            await anext(stream)
            hearing = asyncio.create_task(anext(stream, None))
            waiting = asyncio.create_task(handle.result())
            await asyncio.sleep(0)
            await client.close()
            await client.close()
            assert await hearing is None
            with pytest.raises(NoDaemon, match="client is closed"):
                await waiting
            with pytest.raises(NoDaemon, match="client is closed"):
                await client.info()

    run(scenario)


def test_the_client_says_who_it_is_and_keeps_its_lease() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        async with (
            daemon.serve() as endpoint,
            AsyncClient(endpoint.connection, name="stage", role="live", lease_s=1.0, **PATIENT),
        ):
            await daemon.desk.until(4)
        asked = [(name, request) for name, request, _ in daemon.desk.asked]
        assert asked == [("info", m.InfoRequest(client="stage", role="live", lease_s=1.0))] * len(asked)
        assert len({peer.session for _, _, peer in daemon.desk.asked}) == 1

    run(scenario)


def test_a_result_that_did_not_come_is_fetched() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        daemon.silent = True
        async with (
            daemon.serve() as endpoint,
            AsyncClient(endpoint.connection, lease_s=1.0, **PATIENT) as client,
        ):
            handle = await client.render("rain")
            quiet = await client.render("wind", deliver="none")
            daemon.end(1)
            daemon.end(2)
            assert (await handle.result()).audio[0].frames == 3
            assert (await quiet.result()).audio == ()

    run(scenario)


def test_results_that_nobody_waits_for_are_not_kept() -> None:
    async def scenario() -> None:
        daemon = Daemon()
        async with daemon.serve() as endpoint, AsyncClient(endpoint.connection, **PATIENT) as client:
            handle = await client.render("rain")
            held = client._link._orders
            assert len(held) == 1
            del handle
            gc.collect()
            assert len(held) == 0
            daemon.end(1)
            await client.info()
            assert client._link._asked == {}

    run(scenario)


@pytest.mark.parametrize("case", ["no file", "nobody there", "another key"])
def test_no_daemon_says_how_to_start_one(case: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        daemon = Daemon()
        path = tmp_path / "c.json"
        async with daemon.serve(path) as endpoint:
            if case == "another key":
                connections.write(msgspec.structs.replace(endpoint.connection, key="another"), path)
                with pytest.raises(NoDaemon, match="foleyd serve"):
                    await AsyncClient(path, timeout_s=0.5).open()
        if case != "another key":
            where = path if case == "nobody there" else None
            with pytest.raises(NoDaemon, match="foleyd serve"):
                await AsyncClient(where, **PATIENT).open()

    run(scenario)


def test_a_daemon_that_does_not_answer_in_time() -> None:
    async def scenario() -> None:
        daemon = Daemon()

        async def hang(request: m.Message, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
            await asyncio.Event().wait()
            raise AssertionError

        daemon.desk.deeds["library"] = hang
        async with daemon.serve() as endpoint, AsyncClient(endpoint.connection, **PATIENT) as client:
            with pytest.raises(NoDaemon, match=r"did not answer library_request within 0\.1 s"):
                await client.library(m.LibraryRequest(action="list"), timeout_s=0.1)
            assert await client.status() == STATUS
            assert client._link._asked == {}

    run(scenario)


def test_a_reader_that_sleeps_loses_the_oldest_and_is_told() -> None:
    async def scenario() -> None:
        box: Mailbox[int | Gap] = Mailbox(Gap, most=3)
        for number in range(5):
            box.put(number)
        assert [await box.get() for _ in range(4)] == [Gap(2), 2, 3, 4]
        box.put(5)
        box.close()
        box.put(6)
        assert await box.get() == 5
        with pytest.raises(StopAsyncIteration):
            await box.get()

    run(scenario)


def test_numbers_tell_what_is_missing() -> None:
    async def scenario() -> None:
        async def listen() -> None:
            pass

        jobs: list[m.JobEvent] = []
        ears = Ears(jobs.append)
        stream = ears.stream(("job",), listen)

        def hear(publisher: str, number: int) -> None:
            ears.take(publisher, "job", msgspec.json.encode(events(number)))

        ears.welcome("one", 4)
        hear("one", 5)
        ears.take("one", "job", b"nonsense")
        hear("one", 7)
        ears.welcome("one", 9)  # after a reconnect
        hear("one", 10)
        ears.welcome("two", 0)
        hear("two", 1)
        ears.close()
        heard = [one if isinstance(one, Gap) else one.number async for one in stream]
        assert heard == [5, Gap(1), 7, Gap(2), 10, Gap(None), 1]
        assert [event.number for event in jobs] == [5, 7, 10, 1]

    run(scenario)


def test_importing_the_client_loads_no_arrays() -> None:
    code = "import json, sys, foleyd.client; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "zmq" in loaded
    assert not loaded & {"numpy", "scipy", "soundfile", "torch", "typer"}
