"""Python imports this before a program under test: its clock jumps, and it keeps a record.

``LTBENCH_FAULT_CLOCK`` names a file with the seconds by which the wall clock is wrong just now;
``LTBENCH_FAULT_RECORD`` one to which every ``result.json`` that is put in place is added.
"""

import os
import time

_clock, _record = os.environ.get("LTBENCH_FAULT_CLOCK"), os.environ.get("LTBENCH_FAULT_RECORD")
_time, _time_ns, _replace = time.time, time.time_ns, os.replace


def _wrong_by() -> float:
    try:
        with open(_clock) as file:
            return float(file.read() or 0)
    except (OSError, ValueError):
        return 0.0


def _recording(source, target, **options):
    _replace(source, target, **options)
    if os.path.basename(target) == "result.json":
        with open(_record, "a") as file:
            file.write(f"{os.path.dirname(target)}\n")


if _clock:
    time.time = lambda: _time() + _wrong_by()
    time.time_ns = lambda: _time_ns() + int(_wrong_by() * 1e9)
if _record:
    os.replace = _recording
