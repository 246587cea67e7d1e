"""The page of a live host in a real Chromium: what a performer does, done with real clicks and keys.

The fixture ``live`` is a host that plays into a real jackd and has a daemon: ``live.page`` is the address
that opens its page, token included.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest

from chromium import Chromium
from serving import PATIENCE

SIZES = {"desktop": (1440, 900, False), "tablet": (1024, 768, True), "upright": (768, 1024, True)}
SHORT, STEPS = "0.5", "2"
"""Of a sound that is made in a moment."""
PICTURES = os.environ.get("FOLEYD_PICTURES", "")
"""A folder where pictures of the page are kept; nowhere when empty."""

TOO_SMALL = """
[...document.querySelectorAll("button, select, textarea, input:not([type=checkbox])")]
.filter((one) => one.checkVisibility())
.map((one) => [one, one.getBoundingClientRect()])
.filter(([one, box]) => box.height < 43.5 || box.width < 36 || box.left < -1 || box.right > innerWidth + 1)
.map(([one, box]) => `${one.outerHTML.slice(0, 80)} ${box.width}x${box.height} at ${box.left}`)
"""
"""In the page: what is pressed and is smaller than a finger, or hangs out of the window."""
NAMELESS = """
[...document.querySelectorAll("button, select, textarea, input, [role=meter], [role=tabpanel]")]
.filter((one) => !(one.textContent.trim() && one.tagName === "BUTTON") && !one.ariaLabel
    && !one.labels?.length && !one.hasAttribute("aria-labelledby"))
.map((one) => one.outerHTML.slice(0, 80))
"""
"""In the page: what a screen reader has no name for."""


class Live(Protocol):
    @property
    def page(self) -> str: ...


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def page(chromium: Chromium, live: Live) -> Iterator[Chromium]:
    """The page, open at the size of a desk; nothing on it has complained when the test is over."""
    chromium.complaints.clear()
    chromium.size(1440, 900)
    chromium.open(live.page)
    chromium.until("document.querySelectorAll('.pad').length === 16 && !document.body.className")
    chromium.until("document.querySelector('[data-fact=sounds]').textContent === 'Soundsready'")
    yield chromium
    assert not chromium.complaints


def pad(number: int, part: str = "") -> str:
    return f'.pad[data-pad="{number}"]{part}'


def element(selector: str) -> str:
    return f"document.querySelector('{selector}')"


def select(page: Chromium, number: int) -> None:
    """Choose a pad without playing it."""
    page.click('#manner [role="radio"]:nth-child(2)')
    page.click(pad(number, " .press"))
    page.click('#manner [role="radio"]:nth-child(1)')
    page.click("#tab-sound")


def render(page: Chromium, number: int, prompt: str) -> None:
    """Have a short sound made on a pad, and wait until it is there."""
    select(page, number)
    page.ask(
        "(() => { const unit = document.querySelector('[aria-label=Length]'); unit.value = 'seconds';"
        " unit.dispatchEvent(new Event('change')); })()"
    )
    page.write('[aria-label="Length as a number"]', SHORT)
    page.ask("document.querySelector('.recipe details').open = true")
    page.write("#recipe-steps", STEPS)
    page.write("#prompt", prompt)
    page.click("#render")
    page.until(f"{element(pad(number, ' .fact'))}.textContent === '0.50 s'", PATIENCE)
    page.until(f"{element(pad(number, ' .press'))}.ariaLabel.includes('{prompt}')")


def level(page: Chromium) -> str:
    """An expression: the main meter in dB."""
    return "Number(document.querySelector('[data-meter=main]').ariaValueNow)"


def test_a_prompt_becomes_a_sound_that_is_heard(page: Chromium) -> None:
    render(page, 1, "a deep kick drum")
    page.until(f"{level(page)} < -59")
    page.click(pad(1, " .press"))
    page.until(f"{level(page)} > -40")
    page.until(f"{element(pad(1))}.classList.contains('playing') === false")
    # the waveform has been drawn, in a colour and not only the ground
    drawn = page.ask(
        f"(() => {{ const c = {element(pad(1, ' canvas'))};"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return d.filter((value, at) => at % 4 === 3 && value > 99).length; })()"
    )
    assert drawn > 100


def test_keys_play_and_stop(page: Chromium) -> None:
    render(page, 5, "gusty wind")
    page.click("#tab-pad")
    page.click('[data-property="pad/mode"] [role="radio"]:nth-child(3)')
    page.ask("document.activeElement.blur()")
    page.key("KeyQ", "q")
    page.until(f"{element(pad(5))}.classList.contains('playing')")
    page.until(f"{level(page)} > -40")
    page.click(pad(5, " .stop"))
    page.until(f"!{element(pad(5))}.classList.contains('playing')")
    # a gate sounds as long as its key is down
    page.click('[data-property="pad/mode"] [role="radio"]:nth-child(2)')
    page.ask("document.activeElement.blur()")
    page.click("#tab-sound")
    page.key("KeyQ", "q", up=False)
    page.until(f"{element(pad(5))}.classList.contains('playing')")
    page.key("KeyQ", "q", down=False)
    page.until(f"!{element(pad(5))}.classList.contains('playing')")
    # letters that are written are no presses
    page.write("#prompt", "")
    page.key("KeyQ", "q")
    assert page.ask("document.querySelector('#prompt').value") == "q"
    assert not page.ask(f"{element(pad(5))}.classList.contains('playing')")


def test_a_morph_gets_a_fader(page: Chromium) -> None:
    fader = '.sound [data-property="pad/fader"]'
    render(page, 3, "gusty wind")
    assert page.ask(f"!{element(fader)}.checkVisibility()")
    page.ask("document.querySelector('.note')?.remove()")
    # the words of the sound itself lead nowhere
    page.click(".other button:nth-child(2)")
    page.until("document.querySelector('.note')?.textContent.includes('should turn into')")
    page.write("#prompt", "ocean waves")
    page.click(".other button:nth-child(2)")
    page.until(f"{element(fader)}.checkVisibility()", PATIENCE)
    page.ask("document.activeElement.blur()")
    page.key("BracketRight", "]")
    page.until(f"{element(fader + ' .exact')}.value === '0.10'")
    page.key("BracketLeft", "[")
    page.until(f"{element(fader + ' .exact')}.value === '0.00'")


def test_a_preset_is_loaded(page: Chromium) -> None:
    select(page, 9)
    page.click("#tab-presets")
    page.until("document.querySelector('.preset')")
    # a short one: it is rendered
    page.write("#search", "8-bit blip")
    page.until("document.querySelector('.preset b').textContent === '8-bit blip'")
    page.click(".preset")
    page.until("document.querySelector('.preset.on')")
    page.until(
        f"((pad) => !['bare', 'queued', 'rendering', 'loading'].some((one) => pad.classList.contains(one)))"
        f"({element(pad(9))})"
    )
    page.write("#search", "no preset has these words")
    page.until("document.querySelector('.presets .none').textContent")


def test_settings_reach_the_host_and_come_back(page: Chromium, live: Live) -> None:
    select(page, 2)
    page.click("#tab-pad")
    page.write('[data-property="pad/gain"] .exact', "-7.5")
    page.key("Enter", "Enter")
    page.click('[data-property="pad/mute"]')
    page.until(f"{element(pad(2))}.textContent.includes('mute')")
    page.open(live.page)
    page.until(f"{element(pad(2))}.textContent.includes('mute')")
    page.click('#manner [role="radio"]:nth-child(2)')
    page.click(pad(2, " .press"))
    page.click("#tab-pad")
    page.until("document.querySelector('[data-property=\"pad/gain\"] .exact').value === '-7.5'")
    page.click('[data-property="pad/mute"]')
    page.until(f"!{element(pad(2))}.textContent.includes('mute')")


def test_what_fails_is_said(page: Chromium) -> None:
    select(page, 16)
    page.click(".sound .quiet")
    page.until("document.querySelector('.note.bad').textContent.includes('undo')")


def test_a_wrong_token_is_refused(chromium: Chromium, live: Live) -> None:
    parts = urlsplit(live.page)
    chromium.open(live.page)
    chromium.until("document.querySelector('.pad')")
    for address in (f"http://{parts.netloc}/?token=wrong", f"http://localhost:{parts.port}/"):
        chromium.open(address)
        assert chromium.ask("document.body.innerText").startswith("Not let in")
        assert not chromium.ask("document.querySelectorAll('.pad, script').length")
    # another page of the browser cannot reach in either
    chromium.open("about:blank")
    socket = (
        f"new Promise((resolve) => {{ const s = new WebSocket('ws://{parts.netloc}/socket');"
        " s.onopen = () => resolve('open'); s.onerror = () => resolve('refused'); })"
    )
    assert chromium.ask(socket) == "refused"
    chromium.complaints.clear()


@pytest.mark.parametrize("size", SIZES)
def test_it_fits(page: Chromium, size: str, tmp_path: Path) -> None:
    width, height, touch = SIZES[size]
    page.size(width, height, touch=touch)
    page.until(f"innerWidth === {width}")
    assert page.ask("document.documentElement.scrollWidth") <= width
    for tab in ("pad", "presets", "activity", "sound"):
        page.click(f"#tab-{tab}")
        assert not page.ask(TOO_SMALL), tab
        assert not page.ask(NAMELESS), tab
    folder = Path(PICTURES) if PICTURES else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    picture = page.picture(folder / f"page-{size}.png")
    assert struct.unpack(">II", picture[16:24]) == (width, height)
