"""Standard output of a command: lines for people and pipes as they come, or one JSON object at the end."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self

import msgspec

from foleyd.errors import FoleydError


class Output:
    """What a command prints. With ``as_json`` the lines are held back and :attr:`body` is printed on leaving.

    A FoleydError that passes through is named in the JSON under "error" (null where all went well), so that
    a program reads one valid object whatever happened; the exit status is the error's all the same.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.body: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.as_json and (error is None or isinstance(error, FoleydError)):
            said = None if error is None else {"code": getattr(error, "code", ""), "message": str(error)}
            body = msgspec.to_builtins({**self.body, "error": said})
            print(json.dumps(body, indent=1, ensure_ascii=False), flush=True)

    def line(self, text: str) -> None:
        """One line, at once; nothing with ``as_json``."""
        if not self.as_json:
            print(text, flush=True)
