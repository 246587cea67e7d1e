"""Renders that pads have ordered from the daemon, from the request to the clip on the pad.

A render that the daemon has admitted is carried through: where the daemon or its worker dies, the same
recipe, seed and all, is asked for again as soon as one is there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from foleyd.client import Audio, Handle, Result
from foleyd.errors import Cancelled, FoleydError
from foleyd.messages import ClipInfo
from foleyd_live.clips import Source
from foleyd_live.daemon_line import DaemonLine
from foleyd_live.growing import Growing
from foleyd_live.history import ClipSource
from foleyd_live.order import Order, Progress, Wish
from foleyd_live.pads import Launch, Pads
from foleyd_live.promise import LEAD_S, Promise, nearest
from foleyd_live.properties import Value
from foleyd_live.tempo import Tempo

PAUSES_S = (0.25, 4.0)
"""Before a render is asked for again: the first pause, and the longest."""
GOODBYE_S = 1.0
"""How long the end waits for the daemon to hear of renders that were given up."""

_LAST_EVENT_S = 1.0


def _silent(share: float, eta: float) -> None:
    """Nobody listens."""


class Waiting(msgspec.Struct, frozen=True):
    """A render under way, for the queue that people see: `eta` in seconds, 0 where it is not known; `seed`
    None until it is admitted."""

    pad: int
    prompt: str
    state: str
    eta: float
    seed: int | None


class Orders:
    """The renders of `pads`, over `line`. `now` gives the frame that is mixed next, `promise` the property
    ``host/promise``. Used from one event loop."""

    def __init__(
        self, pads: Pads, line: DaemonLine, tempo: Tempo, now: Callable[[], int], promise: Callable[[], str]
    ) -> None:
        self._pads, self._line, self._tempo, self._now, self._kind = pads, line, tempo, now, promise
        self._orders: dict[int, Order] = {}
        self._errands: set[asyncio.Task[Any]] = set()

    @property
    def waiting(self) -> list[Waiting]:
        """The renders under way, in the order in which they were asked for."""
        return [
            Waiting(one.pad, one.prompt, one.state, one.eta, one.request.get("seed"))
            for one in self._orders.values()
        ]

    async def close(self) -> None:
        """Give up all renders; the daemon hears of it, if it answers soon."""
        tasks = [order.task for order in self._orders.values() if order.task is not None]
        for order in list(self._orders.values()):
            self._give_up(order, "The render was given up, since the live host ends.")
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._errands:
            await asyncio.wait(self._errands, timeout=GOODBYE_S)
        for errand in list(self._errands):
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)

    async def render(
        self,
        pad: int,
        prompt: str,
        pairs: Mapping[str, Value],
        progress: Progress = _silent,
        *,
        preset: str = "",
    ) -> tuple[Value, ...]:
        """Ask for a sound and put it on the pad when it is there; what the pad has plays until then.

        `pairs` are fields of a recipe, `count`, `bars` (at the tempo that is now), `by` (bar: launched by the
        next bar, or as ``host/promise`` says), `draft` (steps of a first version, which the sound itself
        follows at its loop point), `within_s` (seconds that it may take at most) and `early` (1: presses play
        it from its first part on, while it is made). Returns the pad as people count it and the clip's id.
        Raises BadRequest, NoDaemon, Busy, what the render failed with, and Cancelled where it was cancelled
        or another render of the pad came; the pad is then as it was, and its `why` says what failed.
        """
        try:
            order = Order(pad, Wish.read(prompt, pairs, preset), progress, self._tempo)
            self._line.check()
        except FoleydError as error:
            self._pads.failed(pad, str(error))
            raise
        if (former := self._orders.pop(pad, None)) is not None:
            self._give_up(former, f"The render was given up for a newer one on pad {pad + 1}.")
        self._orders[pad] = order
        self._show(order, "queued")
        order.task = asyncio.create_task(self._carry(order))
        try:
            return pad + 1, await order.task
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if order.end is not None and not (task and task.cancelling()):
                raise order.end from None
            raise
        except FoleydError as error:
            if self._is_current(order) and not isinstance(error, Cancelled):
                self._pads.failed(pad, str(error))
            raise
        finally:
            if self._is_current(order):
                del self._orders[pad]
                self._pads.ordered(pad, "")

    async def cancel(self, pad: int) -> bool:
        """Give up the pad's render; whether there was one."""
        order = self._orders.pop(pad, None)
        if order is None:
            return False
        self._give_up(order, f"The render of pad {pad + 1} was cancelled.")
        self._pads.ordered(pad, "")
        return True

    async def _carry(self, order: Order) -> str:
        """From the request to the clip on the pad; the clip's id."""
        try:
            result = await self._result(order)
        except BaseException:
            if order.sketch is not None:
                self._run(self._pads.withdraw(order.pad, order.sketch))
            raise
        finally:
            for errand in (order.meanwhile, order.drafting):
                if errand is not None:
                    errand.cancel()
        found = [await self._found(order, info, k, result.audio) for k, info in enumerate(result.clips)]
        if not found:
            raise FoleydError("The render gave no clip: try again.")
        source, sent = found[0]
        rest: tuple[Source | None, ...] = ()
        if source.recipe.get("operation") == "morph":
            source = ClipSource.staged([one for one, _ in found])
            rest = tuple(samples for _, samples in found[1:])
        await self._put(order, source, sent, rest)
        self._pads.offer(order.pad, found)
        return source.clip_id

    async def _put(
        self, order: Order, source: ClipSource, sent: Source | None, rest: tuple[Source | None, ...] = ()
    ) -> None:
        """Load a version of the sound; what was heard of it before goes on to its end, or its loop's."""
        if order.draft is None and order.sketch is None:
            await self._pads.load(order.pad, source, sent=sent, rest=rest, launch=self._launch(order))
        else:
            await self._pads.load(order.pad, source, "loop", sent=sent, rest=rest, instead=order.draft)

    def _launch(self, order: Order) -> Launch | None:
        promise = order.promise
        return None if promise is None else lambda: promise.frame(self._now())

    async def _result(self, order: Order) -> Result:
        """The job's result, however often it has to be asked for."""
        pause, longest = PAUSES_S
        while True:
            try:
                handle = await self._ask(order)
            except FoleydError as error:
                if not order.refused(error):
                    raise
                await asyncio.sleep(max(pause, error.retry_after_s or 0.0))
                pause = min(2 * pause, longest)
            else:
                try:
                    return await self._followed(order, handle)
                except FoleydError as error:
                    if not order.failed(error):
                        raise
                    self._show(order, "queued")
                pause = PAUSES_S[0]
                await asyncio.sleep(pause)

    async def _ask(self, order: Order) -> Handle:
        client = await self._line.there() if order.admitted else self._line.check()
        slot = f"pad-{order.pad + 1}"
        asking = asyncio.create_task(client.render(slot=slot, priority="live", **order.request))
        try:
            handle = await asyncio.shield(asking)
        except asyncio.CancelledError:
            self._run(self._call_off(asking))
            raise
        self._admit(order, handle)
        return handle

    def _admit(self, order: Order, handle: Handle) -> None:
        reply = handle.reply
        order.admit(reply)
        self._show(order, reply.state, 0.0, reply.eta_s)
        if not order.wish.by_bar or order.promise is not None:
            return
        kind = self._kind()
        order.promise = Promise(self._tempo, kind, reply.eta_s, self._now())
        if kind == "nearest" and not order.promise.met:
            order.meanwhile = self._run(self._play_nearest(order))

    async def _followed(self, order: Order, handle: Handle) -> Result:
        listening = asyncio.create_task(self._listen(order, handle))
        hearing = self._run(self._sketch(order, handle)) if order.wish.early else None
        try:
            result = await handle.result()
            if hearing is not None:  # the last parts came just before
                await asyncio.wait({hearing}, timeout=_LAST_EVENT_S)
            return result
        except asyncio.CancelledError:
            self._run(handle.cancel())
            raise
        except Cancelled:
            # events come on a socket of their own, and only they tell why
            await asyncio.wait({listening}, timeout=_LAST_EVENT_S)
            raise
        finally:
            listening.cancel()
            if hearing is not None:
                hearing.cancel()

    async def _listen(self, order: Order, handle: Handle) -> None:
        async for event in handle:
            if event.state in ("queued", "running"):
                share = event.step / event.steps if event.steps else 0.0
                self._show(order, event.state, share, event.eta_s)
                if event.drafts and order.drafting is None:
                    order.drafting = self._run(self._put_draft(order, event.drafts[0]))
            order.superseded = event.state == "superseded"

    async def _found(
        self, order: Order, info: ClipInfo, place: int, audio: tuple[Audio, ...]
    ) -> tuple[ClipSource, Source | None]:
        """A clip of the result; its samples only where its file is not on this machine."""
        source = ClipSource.of(info, preset=order.wish.preset, bpm=order.bpm)
        if await asyncio.to_thread(Path(info.path).is_file) or place >= len(audio):
            return source, None
        return source, Source(audio[place].samples.T, audio[place].rate, None)

    async def _put_draft(self, order: Order, clip_id: str) -> None:
        """Let the pad have the first draft until the sound itself is there."""
        made = await self._line.check().clip(clip_id)
        source, sent = await self._found(order, made.clips[0], 0, made.audio)
        if order.meanwhile is not None:
            order.meanwhile.cancel()
        await self._put(order, source, sent)
        order.draft = source

    async def _sketch(self, order: Order, handle: Handle) -> None:
        """Let the pad play the first sound from its first part on."""
        growing: Growing | None = None
        async for chunk in handle.chunks():
            if chunk.clip or order.draft is not None:
                continue
            if chunk.start == 0 and order.sketch is None:
                made = self._pads.sketch(
                    order.pad, chunk.of, chunk.audio.rate, order.prompt, self._launch(order)
                )
                if made is None:
                    return
                order.sketch, growing = made
                if order.meanwhile is not None:
                    order.meanwhile.cancel()
            if growing is None or not growing.feed(chunk.start, chunk.audio.samples[0]):
                return

    async def _play_nearest(self, order: Order) -> None:
        """Launch a clip of the library by the next bar, in place of the one that cannot be there."""
        lead = round(LEAD_S * self._tempo.rate)
        with contextlib.suppress(FoleydError):
            info = await nearest(self._line.check(), order.prompt)
            if info is not None:
                source = ClipSource.of(info)
                await self._pads.load(
                    order.pad, source, launch=lambda: self._tempo.next("bar", self._now() + lead)
                )

    def _is_current(self, order: Order) -> bool:
        return self._orders.get(order.pad) is order

    def _show(self, order: Order, state: str, share: float = 0.0, eta: float | None = None) -> None:
        order.state = "rendering" if state == "running" else "queued"
        order.eta = eta or 0.0
        if self._is_current(order):
            self._pads.ordered(order.pad, order.state, share, order.eta)
            order.progress(share, order.eta)

    def _give_up(self, order: Order, why: str) -> None:
        order.end = Cancelled(why)
        if order.task is not None:
            order.task.cancel()

    async def _call_off(self, asking: asyncio.Task[Handle]) -> None:
        """Cancel a job that was asked for and is not wanted any more."""
        await (await asking).cancel()

    def _run(self, errand: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        async def run() -> None:
            with contextlib.suppress(FoleydError):
                await errand

        task = asyncio.create_task(run())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task
