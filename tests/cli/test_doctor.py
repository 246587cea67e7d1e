"""``foleyd doctor``: one line a check, and an end that tells whether a render will do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foleyd import doctor
from foleyd.engines import catalog
from foleyd.runtime import prepared
from preparing import prepared_by_hand

Run = Callable[..., Any]
Fault = Callable[[str], None]
NAMES = ["python", "packages", "sound files", "processor", "memory", "disk", "model", "hashes"]
NAMES += ["runtime", "device", "self-test"]


def checks(ran: Any) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in ran.json["checks"]}


def test_a_healthy_machine_passes_every_check(run: Run, model: str, own_home: Path) -> None:
    ran = run("doctor", "--model", model, "--device", "cpu")
    assert ran.status == 0, ran.out + ran.err
    lines = ran.out.splitlines()
    assert [line[8:].partition(":")[0] for line in lines] == NAMES
    assert {line[:8].strip() for line in lines} <= {"ok", "warning", "skipped"}
    assert lines[-1].startswith("ok      self-test: 1.0 s in ")
    assert "CPU" in lines[-2]
    assert not list(own_home.glob("library"))


def test_a_worker_that_dies_fails_the_self_test(run: Run, model: str, fault: Fault) -> None:
    fault("dies")
    ran = run("doctor", "--model", model, "--json")
    assert ran.status == 1
    assert list(checks(ran)) == NAMES
    assert checks(ran)["self-test"]["status"] == "failed"
    assert "SIGKILL" in checks(ran)["self-test"]["detail"]
    assert ran.json["error"]["message"] == "1 of 11 checks failed: self-test."


def test_a_model_that_is_not_there_is_told_with_its_remedy(run: Run) -> None:
    ran = run("doctor", "--model", "cvssp/audioldm-s-full-v2", "--json")
    assert ran.status == 1
    found = checks(ran)
    assert "foleyd models pull" in found["model"]["detail"]
    assert [found[name]["status"] for name in ("model", "hashes", "runtime", "device", "self-test")] == [
        "failed", "skipped", "skipped", "skipped", "skipped",
    ]  # fmt: skip


def test_hashes_that_differ_fail(model: str, tmp_path: Path) -> None:
    from foleyd.engines import folder

    copy = Path(shutil.copytree(model, tmp_path / "copy"))
    folder.write_manifest(copy, folder.Manifest(files=folder.take_stock(copy)))
    entry = catalog.resolve(str(copy))
    assert doctor.check_hashes(entry).status == "ok"
    words = copy / "tokenizer" / "vocab.json"
    words.write_text(words.read_text().replace("mask", "MASK"))
    assert doctor.check_hashes(entry).status == "failed"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "'foleyd serve' or 'foleyd models prepare'"),
        (0.25, "OpenVINO in bfloat16, 4.0 times as fast as torch"),
        (2.0, "torch, which is faster on this processor"),
    ],
)
def test_what_runs_the_model_is_told(model: str, seconds: float | None, said: str) -> None:
    entry = catalog.resolve(model)
    if seconds is not None:
        way = prepared.Way(options={}, error=0.0, seconds=seconds)
        network = prepared.Network(ways={"bfloat16": way}, torch_seconds=1.0, every_step=True)
        prepared_by_hand(entry.folder, {"unet": network})
    found = doctor.check_runtime(entry)
    assert found.status == "ok"
    assert said in found.detail


def test_a_machine_without_openvino_is_warned(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "version", lambda: "")
    found = doctor.check_runtime(catalog.resolve(model))
    assert found.status == "warning"
    assert "reinstall openvino" in found.detail


def test_missing_packages_are_named_with_what_brings_them() -> None:
    found = doctor.check_packages(("numpy", "no-such-package-of-anybody"))
    assert found.status == "failed"
    assert "pip install no-such-package-of-anybody" in found.detail


@pytest.mark.parametrize(
    ("text", "status", "seen"),
    [
        ("flags : fpu sse2 avx avx2 fma f16c amx_bf16", "ok", "avx avx2 fma f16c amx_bf16"),
        ("flags : fpu sse2", "warning", "slow"),
        ("Features : fp asimd asimddp bf16", "ok", "asimd asimddp bf16"),
        ("", "ok", "does not tell"),
    ],
)
def test_processor_features_are_whole_words(text: str, status: str, seen: str) -> None:
    found = doctor.check_processor(text)
    assert (found.status, seen in found.detail) == (status, True)


@pytest.mark.parametrize(
    ("free", "status"), [(50_000_000, "failed"), (500_000_000, "warning"), (50_000_000_000, "ok")]
)
def test_disk_room(monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(free, 0, free))
    assert doctor.check_disk().status == status
