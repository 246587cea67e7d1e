"""The client for programs without asyncio, with a small daemon in another thread."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from foleyd import messages as m
from foleyd.client import BlockingHandle, Client, Gap
from foleyd.errors import BadRequest, Cancelled, NoDaemon
from foleyd.wire import connection as connections
from small_daemon import PATIENT, STATUS, Daemon
from zmq_peers import DEADLINE, INFO


class Elsewhere:
    """A small daemon in a thread of its own; :meth:`do` calls something there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.daemon: Daemon
        self._loop = asyncio.new_event_loop()
        self._ready, self._over = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    async def _serve(self) -> None:
        self.daemon = Daemon()
        async with self.daemon.serve(self.path):
            self._ready.set()
            await self._over.wait()

    def __enter__(self) -> Elsewhere:
        self._thread.start()
        assert self._ready.wait(DEADLINE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        self._loop.close()

    def do(self, deed: Callable[[], object]) -> None:
        """Call `deed` in the daemon's thread, and wait until it was."""

        async def there() -> None:
            deed()

        asyncio.run_coroutine_threadsafe(there(), self._loop).result(DEADLINE)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Elsewhere]:
    before = set(threading.enumerate())
    with Elsewhere(tmp_path / "c.json") as elsewhere:
        yield elsewhere
    gc.collect()  # a socket that was left open warns now, which is an error
    assert set(threading.enumerate()) <= before


def in_thread(work: Callable[[], object]) -> Callable[[], object]:
    """Begin `work` in a thread; what comes back waits for its value, or raises its error."""
    outcome: queue.SimpleQueue[tuple[object, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((work(), None))
        except BaseException as error:
            outcome.put((None, error))

    thread = threading.Thread(target=run)
    thread.start()

    def wait() -> object:
        value, error = outcome.get(timeout=DEADLINE)
        thread.join(DEADLINE)
        if error is not None:
            raise error
        return value

    return wait


def test_every_command_from_a_plain_thread(there: Elsewhere) -> None:
    with Client(there.path, name="me", **PATIENT) as client:
        assert client.info() == INFO
        assert client.status() == STATUS
        assert client.models() == m.ModelsReply(models=())
        assert client.metrics() == "foleyd_up 1\n"
        assert client.clip("c5").audio[0].samples.shape == (2, 3)
        assert client.library(m.LibraryRequest(action="import"), [b"RIFF"]).changed == 1
        handle = client.render("rain", seed=4, count=2)
        assert handle.reply.job_id == handle.job_id == 1
        assert client.result(1).state == "running"
        there.do(lambda: there.daemon.end(1))
        assert handle.result().clips[0].seed == 4
        assert client.result(1, audio=False).clips[0].prompt == "rain"
        second = client.render("wind")
        assert second.cancel()
        with pytest.raises(Cancelled):
            second.result()
        assert client.cancel(all=True) == ()
        assert client.shutdown().pid == os.getpid()
        with pytest.raises(BadRequest, match="count"):
            client.render("rain", count=99)


def test_progress_comes_in_the_callers_thread(there: Elsewhere) -> None:
    with Client(there.path, **PATIENT) as client:
        handle = client.render("rain")
        seen: list[tuple[str, int, int]] = []

        def progress(event: m.JobEvent) -> None:
            seen.append((event.state, event.step, threading.get_ident()))
            if event.step < 2:
                there.do(lambda: there.daemon.tell_event(1, "running", event.step + 1))
            elif event.state == "running":
                there.do(lambda: there.daemon.end(1))

        assert handle.result(progress=progress).state == "done"
        me = threading.get_ident()
        assert seen == [("queued", 0, me), ("running", 1, me), ("running", 2, me), ("done", 3, me)]


def test_what_progress_raises_ends_the_waiting(there: Elsewhere) -> None:
    with Client(there.path, **PATIENT) as client:
        handle = client.render("rain")

        def stop(event: m.JobEvent) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            handle.result(progress=stop)
        with pytest.raises(TimeoutError):
            handle.result(timeout=0.01)
        with pytest.raises(TimeoutError):
            handle.result(timeout=0.01, progress=print)
        there.do(lambda: there.daemon.end(1))
        assert handle.result(progress=lambda event: None).clips[0].prompt == "rain"


def test_several_threads_use_one_client(there: Elsewhere) -> None:
    with Client(there.path, **PATIENT) as client:
        asked = [in_thread(lambda n=n: client.render(f"sound {n}")) for n in range(8)]  # type: ignore[misc]
        handles = [handle() for handle in asked]
        waiting = [in_thread(handle.result) for handle in handles if isinstance(handle, BlockingHandle)]
        for job in range(1, 9):
            there.do(lambda job=job: there.daemon.end(job))  # type: ignore[misc]
        prompts = {wait().clips[0].prompt for wait in waiting}  # type: ignore[attr-defined]
        assert prompts == {f"sound {n}" for n in range(8)}


def test_events_one_at_a_time(there: Elsewhere) -> None:
    with Client(there.path, **PATIENT) as client:
        events = client.events("job")
        there.do(lambda: there.daemon.tell_event(5, "queued"))
        there.do(lambda: setattr(there.daemon, "number", 3))
        there.do(lambda: there.daemon.tell_event(5, "done"))
        first, gap, last = next(events), next(events), next(events)
        assert isinstance(first, m.JobEvent)
        assert isinstance(last, m.JobEvent)
        assert (first.state, gap, last.state) == ("queued", Gap(2), "done")
        waiting = in_thread(lambda: list(events))
        events.close()
        assert waiting() == []
        with pytest.raises(BadRequest, match="moon"):
            client.events("moon")


def test_closing_ends_the_waiting_of_other_threads(there: Elsewhere) -> None:
    client = Client(there.path, **PATIENT)
    handle = client.render("rain")
    events = client.events("worker")
    begun = threading.Event()
    waiting = in_thread(lambda: handle.result(progress=lambda event: begun.set()))
    hearing = in_thread(lambda: list(events))
    assert begun.wait(DEADLINE)
    client.close()
    client.close()
    with pytest.raises(NoDaemon, match="client is closed"):
        waiting()
    with contextlib.suppress(NoDaemon):  # where it had not begun to wait yet
        assert hearing() == []
    for asked in (client.status, handle.result, handle.cancel, lambda: client.render("rain")):
        with pytest.raises(NoDaemon, match="client is closed"):
            asked()
    events.close()


def test_the_running_daemon_is_found(there: Elsewhere) -> None:
    client = Client.connect_running(there.path, name="me", **PATIENT)
    assert client is not None
    with client:
        assert client.info() == INFO
    # in its usual place
    assert Client.connect_running() is None
    connections.write(there.daemon.endpoint.connection)
    found = Client.connect_running()
    assert found is not None
    found.close()


def test_no_running_daemon_is_none(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    assert Client.connect_running(path) is None
    with Elsewhere(path) as there:
        was = there.daemon.endpoint.connection
    assert Client.connect_running(path) is None
    with socket.socket() as stranger:
        # another program has taken the port since, and the process is gone
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        gone = msgspec.structs.replace(was, shell_port=port, control_port=port, pid=0)
        connections.write(gone, path)
        assert Client.connect_running(path) is None
    path.chmod(0o644)
    with pytest.raises(BadRequest, match="other users may read"):
        Client.connect_running(path)
    with pytest.raises(NoDaemon, match="foleyd serve"):
        Client(tmp_path / "none.json")
    assert [one for one in threading.enumerate() if one.name == "foleyd client"] == []
