"""One clip at a time on the cue bus, for the person with the headphones."""

from __future__ import annotations

from foleyd.errors import BadRequest
from foleyd_live.clips import Clip, ClipStore
from foleyd_live.desk import AUDITION, FADE_S, Desk, Play
from foleyd_live.history import ClipSource


class Audition:
    """Plays clips on the cue bus of `desk`."""

    def __init__(self, desk: Desk, clips: ClipStore) -> None:
        self._desk, self._clips = desk, clips
        self._kept: Clip | None = None

    async def play(self, source: ClipSource) -> None:
        """Play a clip instead of the one before. Raises BadRequest where the device has no outputs for the
        cue bus, and as :meth:`ClipStore.load` does."""
        if self._desk.cue_pair is None:
            raise BadRequest(
                "this device has no outputs for the cue bus: choose one with four, or another --cue pair."
            )
        clip = await self._clips.load(source.path, clip_id=source.clip_id)
        self._clips.keep(clip)
        self.stop()
        self._kept = clip
        self._desk.play(Play(AUDITION, clip.slot, attack=max(1, round(FADE_S * self._desk.rate)), voices=1))

    def stop(self) -> None:
        """End it."""
        self._desk.stop(AUDITION)
        if self._kept is not None:
            self._clips.drop(self._kept)
            self._kept = None
