import errno
import os
from pathlib import Path

import pytest

from foleyd.audio.atomic import replacing
from foleyd.errors import BadRequest, DiskFull


def test_a_file_appears_whole_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "clip.wav"
    with replacing(target) as beside:
        assert beside.parent == tmp_path
        assert beside.suffix == ".wav"
        beside.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_it_may_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with replacing(tmp_path / "clip.wav") as beside:
            beside.write_bytes(b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "clip.wav").stat().st_mode & 0o777 == 0o644


def failing(target: Path, error: BaseException) -> None:
    with replacing(target) as beside:
        beside.write_bytes(b"half")
        raise error


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "clip.wav"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        failing(target, KeyboardInterrupt())
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EACCES, BadRequest)]
)
def test_errors_of_the_disk_have_their_own_kinds(tmp_path: Path, number: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"clip\.wav"):
        failing(tmp_path / "clip.wav", OSError(number, os.strerror(number)))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_a_bad_request(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="folder"), replacing(tmp_path / "none" / "clip.wav") as beside:
        beside.write_bytes(b"new")
