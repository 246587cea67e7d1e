"""The README's promises that can be checked by reading: its commands, its options, its links and pictures."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PLUGIN = (ROOT / "bridge" / "plugin" / "README.md").read_text()
CARD = ROOT / "backend" / "foleyd" / "starter" / "README.md"


def block(marker: str, page: str = README) -> str:
    found = re.search(rf"<!-- {marker} -->\n```sh\n(.*?)\n```", page, re.DOTALL)
    assert found, f"the page has no block after <!-- {marker} -->"
    return found[1]


@pytest.mark.parametrize(
    ("marker", "page"), [("demo command", README), ("test command", README), ("test command", PLUGIN)]
)
def test_each_command_installs_the_system_packages_it_needs(marker, page):
    command = block(marker, page)
    assert "apt-get install -y --no-install-recommends python3-venv" in command
    assert "sudo" in command
    assert "id -u" in command
    assert "pip install" in command


@pytest.mark.parametrize(("path", "page"), [("README.md", README), ("bridge/plugin/README.md", PLUGIN)])
def test_ci_runs_the_test_commands_as_they_stand(path, page):
    script = (ROOT / ".ci" / "run").read_text()
    assert path in next(line for line in script.splitlines() if line.startswith("for page in"))
    extraction = next(line for line in script.splitlines() if line.strip().startswith("command="))
    shown = subprocess.run(
        ["bash", "-c", f"page={path}\n{extraction}\nprintf '%s' \"$command\""],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == block("test command", page)
    assert "pytest" in shown.stdout


def test_every_folder_of_tests_is_in_a_command():
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders - set(said) == {"tests/plugin"}
    assert "pytest tests/plugin" in block("test command", PLUGIN)


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
