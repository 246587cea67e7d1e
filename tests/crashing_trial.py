"""A trial with a fault: it crashes, crashes where OpenVINO generates code of its own, or gives wrong numbers.
For tests only: ``python -m crashing_trial`` with the arguments of `foleyd.runtime.trial`."""

from __future__ import annotations

import os
import sys

import numpy as np

from foleyd.runtime import trial

FAULT = "FOLEYD_TEST_FAULT"


def main(model: str, precision: str, options: str, given: str, answer: str) -> None:
    fault = os.environ[FAULT]
    if fault == "crash" or (fault == "crash_with_own_code" and options == "{}"):
        os.abort()
    trial.main(model, precision, options, given, answer)
    if fault == "wrong" or fault == precision:
        with np.load(answer) as found:
            spoilt = {name: found[name] * 1.5 for name in found.files}
        np.savez(answer, **spoilt)


if __name__ == "__main__":
    main(*sys.argv[1:])
