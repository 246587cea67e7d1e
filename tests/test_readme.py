"""The README's promises that can be checked by reading: its commands, its options, its links and pictures."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CARD = ROOT / "backend" / "foleyd" / "starter" / "README.md"


def block(marker: str) -> str:
    found = re.search(rf"<!-- {marker} -->\n```sh\n(.*?)\n```", README, re.DOTALL)
    assert found, f"README.md has no block after <!-- {marker} -->"
    return found[1]


@pytest.mark.parametrize("marker", ["demo command", "test command"])
def test_each_command_installs_the_system_packages_it_needs(marker):
    command = block(marker)
    assert "apt-get install -y --no-install-recommends python3-venv" in command
    assert "sudo" in command
    assert "id -u" in command
    assert "pip install" in command


def test_ci_runs_the_test_command_as_it_stands():
    script = (ROOT / ".ci" / "run").read_text()
    extraction = next(line for line in script.splitlines() if line.startswith("command="))
    shown = subprocess.run(
        ["bash", "-c", f"{extraction}\nprintf '%s' \"$command\""],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == block("test command")
    assert "pytest" in shown.stdout


def test_every_command_of_the_command_line_is_in_the_readme():
    from foleyd.cli import COMMANDS

    missing = [name for name in COMMANDS if f"foleyd {name}" not in README]
    assert missing == []


def test_options_that_the_readme_names_exist():
    help_text = subprocess.run(
        [sys.executable, "-m", "foleyd.cli", "render", "--help"], capture_output=True, text=True, check=True
    ).stdout
    rendering = README.split("## Rendering")[1].split("### What")[0]
    for option in set(re.findall(r"--[a-z][a-z-]+", rendering)) - {"--help"}:
        assert re.search(rf"{option}\b", help_text), option


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", CARD, ROOT / "backend" / "README.md"], ids=lambda p: p.parent.name
)
def test_links_and_pictures_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", CARD, ROOT / "backend" / "README.md"], ids=lambda p: p.parent.name
)
def test_no_blank_was_left_to_fill_in(page):
    assert "%%" not in page.read_text()
