"""Batch tables: which rows come out of a file, on which lines, and what is no table."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foleyd.errors import BadRequest
from foleyd.table import Row, read_table


def table(folder: Path, text: str | bytes, name: str = "b.csv") -> list[Row]:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(folder / name)


def test_csv_cells_become_fields_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    rows = table(tmp_path, 'Prompt, Fade-Out ,file,seed\n"a, b", 20 ,x.wav,\n\n  ,,,\nc,,,7\n')
    assert rows == [
        Row(2, "a, b", "x.wav", {"fade_out": "20"}, {}),
        Row(5, "c", "", {"seed": "7"}, {}),
    ]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_spreadsheets_other_delimiters_are_seen(tmp_path: Path, delimiter: str) -> None:
    rows = table(tmp_path, "\ufeffprompt,seconds\r\na bell,2\r\n".replace(",", delimiter))
    assert [(row.prompt, row.values) for row in rows] == [("a bell", {"seconds": "2"})]


def test_lines_are_those_of_the_file_where_cells_span_some(tmp_path: Path) -> None:
    rows = table(tmp_path, 'prompt,seed\n"a\nb\nc",1\nd,2\n\ne,3')
    assert [(row.line, row.prompt) for row in rows] == [(2, "a\nb\nc"), (5, "d"), (7, "e")]


def test_toml_lines_are_found_where_strings_hold_headers(tmp_path: Path) -> None:
    text = '''# [[clip]]
[[clip]]
prompt = """
[[clip]]
"""
  [[ clip ]]
prompt = "b"
'''
    assert [(row.line, row.prompt) for row in table(tmp_path, text, "b.toml")] == [
        (2, "[[clip]]\n"),
        (6, "b"),
    ]


def test_toml_without_headers_has_no_lines_to_tell(tmp_path: Path) -> None:
    rows = table(tmp_path, 'clip = [{prompt = "a"}, {prompt = "b"}]', "b.toml")
    assert [(row.line, row.prompt) for row in rows] == [(1, "a"), (1, "b")]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("b.csv", "", "is empty"),
        ("b.csv", "\n\n", "is empty"),
        ("b.csv", "prompt\n", "has no rows"),
        ("b.csv", "words\na\n", "line 1: the header has no column 'prompt'"),
        ("b.csv", "prompt,seed,Seed\na,1,2\n", "line 1: the header has the column 'seed' twice"),
        ("b.csv", "prompt,seed\na, b, c\n", "line 2: it has 3 cells for 2 columns"),
        ("b.csv", 'prompt,seed\n"a" b,1\n', "line 2: it is not CSV"),
        ("b.csv", 'prompt,seed\n"a,1\n', "it is not CSV"),
        ("b.csv", b"prompt\n\xff\xfe\n", "is not UTF-8"),
        ("b.csv", "prompt,sources\na,b\n", "no column 'sources'"),
        ("b.toml", "[[clip]\n", "is not TOML: .*line 1"),
        ("b.toml", "", "has no rows"),
        ("b.toml", "clip = 3", "clip and defaults of another kind"),
        ("b.toml", "[[clips]]\nprompt = 'a'", "holds clips"),
        ("b.toml", "[defaults]\nprompt = 'a'\n[[clip]]\nprompt = 'b'", "'prompt', which is no setting"),
        ("b.toml", "[[clip]]\nprompt = 3", "line 1: the prompt is missing"),
        ("b.toml", "[[clip]]\nprompt = 'a'\nfile = 3", "line 1: file is 3"),
        ("b.toml", "[" * 5000, "b.toml"),
        ("b.txt", "prompt\na\n", "give a .csv or a .toml"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        table(tmp_path, text, name)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_and_one_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadRequest, match="cannot be read"):
        read_table(tmp_path / "b.csv")
    monkeypatch.setattr("foleyd.table._LARGEST_FILE", 3)
    with pytest.raises(BadRequest, match="split it"):
        table(tmp_path, "prompt\na\n")


@given(data=st.binary(max_size=200), suffix=st.sampled_from(["csv", "toml"]))
def test_any_bytes_give_rows_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    said = ""
    rows: list[Row] = []
    try:
        rows = table(folder, b"prompt,seed\n" + data, f"b.{suffix}")
    except BadRequest as error:
        said = str(error)
    assert "\n" not in said
    assert bool(rows) != bool(said)
    assert all(row.prompt.strip() for row in rows)
