"""One exported network, compiled and run in a process of its own: ``python -m foleyd.runtime.trial MODEL
PRECISION OPTIONS GIVEN ANSWER``.

`OPTIONS` is a JSON object for OpenVINO, `GIVEN` an .npz with the inputs of each case as ``case_input``,
`ANSWER` the .npz to write: ``out_case`` and ``seconds``, the fastest of some calls. It may crash: that is
what the process of its own is for.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import openvino

from foleyd.runtime.prepared import precision_option

CALLS = 4
ENOUGH_S = 10.0
"""Seconds of calls after which their time is known well enough."""


def main(model: str, precision: str, options: str, given: str, answer: str) -> None:
    """Run every case, then the first some times more for the time."""
    with np.load(given, allow_pickle=False) as found:
        inputs = {name: found[name] for name in found.files}
    cases = 1 + max(int(name.split("_")[0]) for name in inputs)
    rows = [[inputs[name] for name in sorted(inputs) if name.startswith(f"{case}_")] for case in range(cases)]
    network = openvino.Core().read_model(model)
    network.reshape({place: list(array.shape) for place, array in enumerate(rows[0])})
    told = {**msgspec.json.decode(options, type=dict[str, str]), **precision_option(precision)}
    request = openvino.Core().compile_model(network, "CPU", told).create_infer_request()
    out = {f"out_{case}": request.infer(row)[0].copy() for case, row in enumerate(rows)}
    took: list[float] = []
    while len(took) < CALLS and sum(took) < ENOUGH_S:
        began = time.perf_counter()
        request.infer(rows[0])
        took.append(time.perf_counter() - began)
    np.savez(Path(answer), seconds=np.float64(min(took)), **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
