"""Options that are several numbers."""

from __future__ import annotations

from foleyd.errors import BadRequest


def read(text: str, name: str, least: float, most: float) -> tuple[float, ...]:
    """Numbers between commas, each `least` to `most`. Raises BadRequest naming the option."""
    try:
        found = tuple(dict.fromkeys(float(word) for word in text.split(",")))
    except ValueError:
        found = ()
    if not found or any(not least <= number <= most for number in found):
        raise BadRequest(
            f"--{name} is {text!r}: give numbers from {least:g} to {most:g} with commas between them."
        )
    return found


def read_whole(text: str, name: str, least: int, most: int) -> tuple[int, ...]:
    """As `read`, whole ones."""
    found = read(text, name, least, most)
    if any(number != int(number) for number in found):
        raise BadRequest(f"--{name} is {text!r}: give whole numbers with commas between them.")
    return tuple(int(number) for number in found)
