"""The end of a command, which threads that plugins left do not put off."""

from __future__ import annotations

import os
import sys
import threading
import time

PATIENCE_S = 5.0
"""Seconds for which Python may wait for threads and processes when everything is said and done."""


def end_in_time(code: object) -> None:
    """Have the program end with ``code`` though something does not: Python waits for it for ever.

    Args:
        code: of the ``SystemExit`` with which the program is about to end.
    """
    if threading.active_count() > 1 or "multiprocessing" in sys.modules:
        number = code if isinstance(code, int) else int(code is not None)
        threading.Thread(target=_end, args=(number,), name="end", daemon=True).start()


def _end(code: int) -> None:
    time.sleep(PATIENCE_S)
    main, left = threading.main_thread(), threading.enumerate()
    names = ", ".join(f"'{t.name}'" for t in left if not t.daemon and t is not main)
    what = f"the thread {names} does not end" if names else "a process that it began does not end"
    for stream, text in ((sys.stdout, ""), (sys.stderr, f"Warning: {what}; left behind\n")):
        try:
            stream.write(text)
            stream.flush()
        except Exception:  # nobody reads it any more
            continue
    os._exit(code)
