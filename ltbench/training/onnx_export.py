"""A trained network as one ONNX file, from the pixels of images to probabilities."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ltbench.errors import PluginError, UsageError
from ltbench.plugins.text import visible
from ltbench.training.onnx_images import IMAGES, OPSET, SEEN, images_graph
from ltbench.training.trained_model import TrainedModel

if TYPE_CHECKING:
    from onnx import ModelProto

FILE = "model.onnx"
OUTPUTS = ("logits", "probabilities")
_INPUT = "network.input"


def check_onnx() -> None:
    """Check that the packages of the extra ``onnx`` are here, before anything is computed.

    Raises:
        UsageError: one of them is not installed; the message says what to type.
        PluginError: it is, and cannot be imported.
    """
    import importlib

    for package in ("onnx", "onnxruntime"):
        try:
            importlib.import_module(package)
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and error.name == package:
                raise UsageError(
                    f"an export needs the package {package}: pip install 'ltbench[onnx]'"
                ) from error
            raise PluginError(
                f"the package {package} is installed but cannot be imported: "
                f"{type(error).__name__}: {visible(str(error))}"
            ) from error


def write_onnx(model: TrainedModel, folder: Path, temperature: float) -> None:
    """Write ``model.onnx``: ``images`` (N, H, W, channels) uint8 in, any N, H and W.

    Out come ``logits`` (N, C), and ``probabilities`` (N, C) at the temperature. The names of the
    classes are in its metadata, under ``classes``.

    Raises:
        UsageError: torch cannot write the network as ONNX, or it is too large for a file of it.
        OSError: the file cannot be written.
    """
    import onnx
    from onnx import compose, helper

    images, network = images_graph(model), _network_graph(model)
    images.ir_version = network.ir_version
    whole = compose.merge_models(images, network, io_map=[(SEEN, _INPUT)])
    graph = whole.graph
    constant = onnx.numpy_helper.from_array(np.array(temperature, np.float32), "temperature")
    graph.initializer.append(constant)
    graph.node.extend(
        [
            helper.make_node("Div", ["logits", "temperature"], ["at_temperature"]),
            helper.make_node("Softmax", ["at_temperature"], ["probabilities"], axis=1),
        ]
    )
    width = ["N", len(model.classes)]
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, width) for name in OUTPUTS
    )
    helper.set_model_props(
        whole,
        {
            "classes": json.dumps(model.classes, ensure_ascii=False),
            "run": f"{model.spec.hash} seed {model.spec.seed}",
            "temperature": repr(temperature),
        },
    )
    (folder / FILE).write_bytes(whole.SerializeToString())


class OnnxModel:
    """A file of ONNX, ready to answer on the processor by onnxruntime.

    Args:
        path: of the file.

    Raises:
        Exception: whatever onnxruntime raises of a file that it cannot read.
    """

    def __init__(self, path: Path) -> None:
        self.session = _session(str(path))

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the probabilities (N, C) of images (N, H, W, channels) of one size."""
        (found,) = self.session.run(["probabilities"], {IMAGES: images})
        return np.asarray(found, np.float64)


def _session(graph: str | bytes) -> Any:
    """Return a session of onnxruntime on the processor, which prints nothing."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class _Logits(nn.Module):
    """What is traced: images as the network sees them to logits."""

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        self.algorithm = model.algorithm

    def forward(self, x: Tensor) -> Tensor:
        return self.algorithm.predict(x).float()


def _network_graph(model: TrainedModel) -> ModelProto:
    """Return the graph of the network, for any number of images.

    Raises:
        UsageError: torch cannot make one.
    """
    import onnx

    facts = model.facts
    x = torch.rand(2, facts.channels, facts.size, facts.size)
    problems = []
    for export in (_by_tracing, _by_torch_export):
        buffer = io.BytesIO()
        try:
            with warnings.catch_warnings(), torch.no_grad(), _quiet():
                warnings.simplefilter("ignore")
                export(_Logits(model).eval(), x, buffer)
            _check_batches(buffer.getvalue(), x)
            return onnx.load_model_from_string(buffer.getvalue())
        except Exception as error:  # exporters raise what they please
            problems.append(str(error).strip().partition("\n")[0] or type(error).__name__)
    raise UsageError(
        f"torch {torch.__version__} cannot write this network as ONNX: {visible(problems[0])}"
    )


def _check_batches(graph: bytes, x: Tensor) -> None:
    """Check that a graph takes other numbers of images than it was made with.

    Raises:
        Exception: whatever onnxruntime raises where it does not.
    """
    session = _session(graph)
    for number in (1, 3):
        batch = x[:1].expand(number, -1, -1, -1).contiguous().numpy()
        (logits,) = session.run(["logits"], {_INPUT: batch})
        if len(logits) != number:
            raise ValueError(f"it gives {len(logits)} answers to {number} images")


def _by_tracing(network: nn.Module, x: Tensor, buffer: io.BytesIO) -> None:
    """Export by tracing, which takes a tenth of the time and needs no further package."""
    exporter: Any = torch.onnx  # whose annotations lack what it takes
    exporter.register_custom_op_symbolic("aten::mT", _transposed, OPSET)
    exporter.export(
        network, (x,), buffer, dynamo=False, opset_version=OPSET, input_names=[_INPUT],
        output_names=["logits"], dynamic_axes={_INPUT: {0: "N"}, "logits": {0: "N"}},
    )  # fmt: skip


def _transposed(graph: Any, x: Any) -> Any:
    """Return the graph of ``Tensor.mT``, which tracing does not know."""
    axes = list(range(x.type().dim()))
    return graph.op("Transpose", x, perm_i=[*axes[:-2], axes[-1], axes[-2]])


def _by_torch_export(network: nn.Module, x: Tensor, buffer: io.BytesIO) -> None:
    """Export by the newer way, which takes longer and needs onnxscript."""
    program = torch.onnx.export(
        network, (x,), dynamo=True, opset_version=OPSET, input_names=[_INPUT],
        output_names=["logits"], dynamic_shapes=({0: torch.export.Dim("N")},), verbose=False,
    )  # fmt: skip
    assert program is not None
    buffer.write(program.model_proto.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what exporters print and log off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
