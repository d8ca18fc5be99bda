"""How many images an evaluation looks at in one forward pass.

Without gradients, memory has to hold one layer's input and output, not those of all layers, so that
an accelerator takes several times the training batch at once. On the CPU larger batches are slower
as soon as the largest layer's output leaves the caches. On a core of an AMD EPYC (Zen 4, 32 MB of
L3), in milliseconds of CPU an image: the CNN of the digits takes 1.36 by 64 images, 1.41 by 128,
1.63 by 256 and 2.2 by 512 (in bf16 .76, .78, .83 and 1.16); a ResNet-50 at 224 pixels takes 102 by
8 images, 136 by 16, 158 by 32 and 173 by 64 (in bf16 61, 63, 77 and 90).
"""

from __future__ import annotations

import contextlib
import re
import sys

import torch
from torch import Tensor, nn

from ltbench.plugins.algorithm import Algorithm

CPU_BYTES = 32 << 20
"""Of the largest layer's output, on the CPU."""
MEMORY_SHARE = 0.25
"""Of the accelerator's free memory, for a batch: others may begin to use it as well."""
AT_ONCE = 6
"""Tensors of the largest layer's size that memory has to hold at one time, with some to spare."""
MOST = 512
"""Images; more do not make an accelerator faster."""
_UNKNOWN_MEMORY = 4 << 30
_REFUSED = re.compile(
    r"out of memory|OutOfMemory|can't allocate memory|not enough memory|STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)


@torch.no_grad()
def largest_output(model: Algorithm) -> int:
    """Return the bytes of the largest output that a layer gives for one image.

    Args:
        model: in evaluation mode.
    """
    device = next(model.parameters()).device
    largest = 1

    def note(_: nn.Module, __: object, output: object) -> None:
        nonlocal largest
        if isinstance(output, Tensor):
            largest = max(largest, output.nbytes)

    leaves = [module for module in model.modules() if not any(module.children())]
    hooks = [module.register_forward_hook(note) for module in leaves]
    try:
        with _uncompiled():
            model.predict(torch.zeros(1, *model.train_info.image_shape, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return largest


def evaluation_batch(model: Algorithm) -> int:
    """Return how many images to evaluate at once, a power of two.

    Args:
        model: in evaluation mode, on the device.
    """
    device = next(model.parameters()).device
    of_one = largest_output(model)
    if device.type == "cpu":
        images = CPU_BYTES // of_one
    else:
        images = int(_free_memory(device) * MEMORY_SHARE) // (AT_ONCE * of_one)
    images = max(1, min(images, MOST))
    return 1 << (images.bit_length() - 1)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of the device, or the host's, is too small."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    try:
        return _REFUSED.search(str(error)) is not None
    except BaseException:
        return False


def _uncompiled() -> contextlib.AbstractContextManager[object]:
    """Have compiled networks run layer by layer; where nothing was compiled nothing is imported."""
    if "torch._dynamo" not in sys.modules:
        return contextlib.nullcontext()
    return torch.compiler.set_stance("force_eager")


def _free_memory(device: torch.device) -> int:
    """Return the bytes that are free on an accelerator, those that torch holds for later too."""
    if device.type != "cuda":
        return _UNKNOWN_MEMORY
    free, _ = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free + held
