"""Python imports this before a program under test: its clock jumps, and it keeps a record.

``LTBENCH_FAULT_CLOCK`` names a file with the seconds by which the wall clock is wrong just now;
``LTBENCH_FAULT_RECORD`` one to which every ``result.json`` that is put in place is added.
``LTBENCH_FAULT_ORDERS`` is a folder; a file in it is an order to do, as a plugin might, what its
name says. The first process to put a file in place takes the order, and its file with it.
"""

import os
import signal
import sys
import threading
import time

_clock, _record = os.environ.get("LTBENCH_FAULT_CLOCK"), os.environ.get("LTBENCH_FAULT_RECORD")
_orders = os.environ.get("LTBENCH_FAULT_ORDERS", "/nowhere")
_time, _time_ns, _replace = time.time, time.time_ns, os.replace


def _wrong_by() -> float:
    try:
        with open(_clock) as file:
            return float(file.read() or 0)
    except (OSError, ValueError):
        return 0.0


def _fork():
    if os.fork() == 0:
        time.sleep(3600)
        os._exit(0)


def _leave_state():
    """Change what later runs would compute with; the run that is over has its result."""
    functional = sys.modules["torch.nn.functional"]
    original = functional.cross_entropy
    functional.cross_entropy = lambda *args, **options: 0.5 * original(*args, **options)
    sys.modules["torch"].set_flush_denormal(True)
    os.chdir("/")


_ORDERS = {
    "child": _fork,
    "thread": lambda: threading.Thread(target=time.sleep, args=(3600,)).start(),
    "child-and-death": lambda: (_fork(), os.kill(os.getpid(), signal.SIGKILL)),
}


def _obey(target):
    over = os.path.basename(target) == "result.json"
    for name, do in {**_ORDERS, **({"state": _leave_state} if over else {})}.items():
        try:
            os.unlink(os.path.join(_orders, name))
        except FileNotFoundError:
            continue
        do()


def _recording(source, target, **options):
    _replace(source, target, **options)
    if os.path.basename(target) == "result.json":
        with open(_record, "a") as file:
            file.write(f"{os.path.dirname(target)}\n")
    if os.path.basename(target) in ("result.json", "latest.pt"):
        _obey(target)


if _clock:
    time.time = lambda: _time() + _wrong_by()
    time.time_ns = lambda: _time_ns() + int(_wrong_by() * 1e9)
if _record:
    os.replace = _recording
