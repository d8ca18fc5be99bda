"""A plugin file whose algorithm leaves its process otherwise than it found it, as it is told."""

import os
import random
import signal
import sys
import threading
import time
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ltbench.api import Algorithm, HParams, hparam


class BrokenText(Exception):
    def __str__(self):
        raise KeyboardInterrupt

    __repr__ = __str__


def patched(*args, original=F.cross_entropy, **options):
    return 0.5 * original(*args, **options)


def fork(seconds, then=lambda: None):
    pid = os.fork()
    if pid == 0:
        if seconds is None:
            return  # the child goes on with the training
        time.sleep(seconds)
        os._exit(0)
    then()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def tensor_method():
    torch.Tensor.__mul__ = lambda self, other: torch.mul(self, other) * 1.001


def patched_forward(layer, x):
    return layer._conv_forward(x, layer.weight, None)


LEAVES = {
    "function": lambda: setattr(F, "cross_entropy", patched),
    "torch_function": lambda: setattr(F, "relu", F.sigmoid),
    "method": lambda: setattr(nn.Conv2d, "forward", patched_forward),
    "inherited": lambda: setattr(
        nn.Conv2d, "__call__", lambda self, x: nn.Module.__call__(self, -x)
    ),
    "operator": tensor_method,
    "code": lambda: setattr(F.relu, "__defaults__", (True,)),
    "numpy": lambda: setattr(np, "sqrt", np.cbrt),
    "core": lambda: setattr(sys.modules["ltbench.training.loop"], "derive_seed", lambda *_: 1),
    "constant": lambda: setattr(sys.modules["ltbench.training.final_test"], "FEATURE_IMAGES", 3),
    "hook": lambda: nn.modules.module.register_module_forward_hook(lambda m, i, o: o),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16).__enter__(),
    "dtype": lambda: torch.set_default_dtype(torch.float64),
    "device": lambda: torch.set_default_device("meta"),
    "grad": lambda: torch.autograd.set_detect_anomaly(True),
    "deterministic": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "mkldnn": lambda: setattr(torch.backends.mkldnn, "enabled", False),
    "precision": lambda: torch.set_float32_matmul_precision("medium"),
    "denormal": lambda: torch.set_flush_denormal(True),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "cwd": lambda: os.chdir("/"),
    "environment": lambda: os.environ.__setitem__("LTBENCH_CACHE", "/nowhere"),
    "umask": lambda: os.umask(0o077),
    "signals": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "warnings": lambda: warnings.simplefilter("error"),
    "path": lambda: sys.path.insert(0, "/nowhere"),
    "stdout": lambda: os.close(1),
    "seterr": lambda: np.seterr(all="raise"),
    "child": lambda: fork(3600),
    "thread": lambda: threading.Thread(target=time.sleep, args=(3600,)).start(),
    # What no later run notices, as it seeds its generators.
    "rng": lambda: (random.seed(1), np.random.seed(1), torch.manual_seed(1)),
}


def stop_itself():
    os.kill(os.getpid(), signal.SIGSTOP)


ENDS = {
    "exit_text": lambda: sys.exit("no licence for this method"),
    "exit_code": lambda: os._exit(3),
    "interrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt("pressed")),
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "no_text": lambda: (_ for _ in ()).throw(RuntimeError()),
    "broken_text": lambda: (_ for _ in ()).throw(BrokenText()),
    "descriptors": lambda: os.closerange(3, 4096),
    "fork_and_die": lambda: fork(3600, die),
    "fork_and_go_on": lambda: fork(None),
    "stop": stop_itself,
    "cuda": lambda: (_ for _ in ()).throw(
        torch.AcceleratorError("CUDA error: device-side assert triggered")
    ),
    "cuda_memory": lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory.")),
}


class NeighbourHParams(HParams):
    does: str = hparam("rng", choices=(*LEAVES, *ENDS))
    at: int = hparam(4, low=0)


class Neighbour(Algorithm):
    """ERM that leaves something behind, or ends in a strange way."""

    HParams = NeighbourHParams

    def before_step(self, step, training):
        if step == self.hparams.at:
            {**LEAVES, **ENDS}[self.hparams.does]()
