"""A plugin that wants to end the program, or cannot be printed, is named in one sentence."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from ltbench.errors import PluginError, described
from ltbench.plugins.blame import naming
from ltbench.plugins.ctrl_c import telling_ctrl_c
from ltbench.plugins.manager import Plugins, _add_file

BROKEN = """
class Broken(Exception):
    def __str__(self):
        raise ValueError
    __repr__ = __str__
"""
ENDS = {
    "raise KeyboardInterrupt": "KeyboardInterrupt without a text",
    "raise SystemExit('no licence')": "SystemExit: no licence",
    "raise SystemExit": "SystemExit without a text",
    "raise GeneratorExit('odd')": "GeneratorExit: odd",
    "raise RuntimeError": "RuntimeError without a text",
    "raise Broken": "Broken, whose text cannot be had as its __str__ fails",
}
HOOK = """
from ltbench import hookimpl
@hookimpl
def ltbench_algorithms(register):
    {}
"""
DATASET = """
from ltbench.api import Dataset, Facts
class Ends(Dataset):
    @property
    def facts(self):
        return Facts(name="ends", title="Ends", domains=("a",), classes=("b", "c"), size=8,
                     many=8, few=3, protocols={{"p": {{}}}})
    def split(self):
        {}
"""


def run(plugin, *words):
    command = [sys.executable, "-m", "ltbench", "--plugin", str(plugin), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("where", ["import", "hook"])
def test_one_that_ends_at_its_import_or_in_a_hook_is_named_and_left_out(
    tmp_path, monkeypatch, where
):
    for number, (statement, sentence) in enumerate(ENDS.items()):
        plugin = tmp_path / f"ends{number}.py"
        plugin.write_text(BROKEN + (statement if where == "import" else HOOK.format(statement)))
        monkeypatch.setenv("LTBENCH_PLUGIN_PATH", str(plugin))
        plugins = Plugins()
        _add_file(plugins, plugin)
        (broken,) = plugins.broken
        assert str(broken).startswith(f"plugin 'ends{number}' of ends{number}.py ")
        assert str(broken).endswith(f"failed: {sentence}")


def test_the_command_says_so_and_goes_on(tmp_path):
    plugin = tmp_path / "ends.py"
    plugin.write_text("raise KeyboardInterrupt")
    done = run(plugin, "plugins", "list", "--kind", "executor")
    assert "plugin 'ends' of ends.py" in done.stderr
    assert "KeyboardInterrupt without a text" in done.stderr
    assert "Stopped" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_thread_that_a_plugin_leaves_does_not_keep_the_command(tmp_path):
    plugin = tmp_path / "lingers.py"
    plugin.write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(3600,), name='poll').start()\n"
        + HOOK.format("0")
    )
    done = run(plugin, "plugins", "list", "--kind", "nothing")
    assert "the thread 'poll' does not end; left behind" in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize("statement", ["raise KeyboardInterrupt", "raise SystemExit('no licence')"])
def test_one_that_ends_while_a_sweep_is_planned_is_named(tmp_path, statement):
    plugin = tmp_path / "ends.py"
    plugin.write_text(DATASET.format(statement))
    done = run(plugin, "run", "--algo", "erm", "--dataset", "ends", "--out", str(tmp_path / "runs"))
    assert done.returncode in (1, 2)
    assert "(in ends.py" in done.stderr
    assert "Stopped" not in done.stderr
    assert "Traceback" not in done.stderr


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)


def raised(within, action):
    with pytest.raises(BaseException) as found, within:  # noqa: PT011
        action()
    return found.value


def interrupt():
    raise KeyboardInterrupt


def test_ctrl_c_is_the_users_and_not_the_plugins():
    assert isinstance(raised(naming("metric 'm'"), press_ctrl_c), KeyboardInterrupt)
    error = raised(naming("metric 'm'"), interrupt)
    assert isinstance(error, PluginError)
    assert str(error) == "metric 'm' failed: KeyboardInterrupt without a text"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_within_another_block_it_is_still_told():
    with telling_ctrl_c() as outer:
        with telling_ctrl_c() as inner:
            error = raised(contextlib.nullcontext(), press_ctrl_c)
            assert inner(error)
        assert outer(error)
    with telling_ctrl_c() as is_users:
        assert not is_users(KeyboardInterrupt())


def test_what_a_handler_of_a_signal_raises_is_no_plugins_doing():
    before = signal.signal(signal.SIGUSR2, lambda *_: sys.exit("the node is taken away"))
    try:
        error = raised(naming("metric 'm'"), lambda: os.kill(os.getpid(), signal.SIGUSR2))
        assert isinstance(error, SystemExit)
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_any_error_can_be_described():
    assert described(ValueError("x")) == "ValueError: x"
    assert described(KeyError("x")) == "KeyError: 'x'"
    assert described(ValueError(" ")) == "ValueError without a text"
