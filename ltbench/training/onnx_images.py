"""What images pass through before a network sees them, as a graph of ONNX.

Images of any size come in. They are squeezed to the square that training stores as Pillow does it,
with weights of 22 bits and whole grey levels after each axis, and from it resized as for the test.
Both are products with matrices that depend on nothing but sizes; the graph computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ltbench.data.evaluation_transform import EvaluationTransform, centre_weights

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

    from ltbench.training.trained_model import TrainedModel

OPSET = 18
IMAGES = "images"
"""The name of the input, (N, H, W, channels) uint8."""
SEEN = "seen"
"""The name of what the network sees, (N, channels, side, side) float32."""
_PILLOW = float(1 << 22)
_FLOAT, _DOUBLE = 1, 11  # as ONNX numbers its types


class Nodes:
    """Gathers the nodes of a graph; each call adds one and returns the name of its output.

    Args:
        prefix: of the names, which are unique over a graph and the branches in it.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def __call__(self, op: str, *inputs: str | NDArray[Any] | float, **attributes: Any) -> str:
        """Add a node.

        Args:
            op: of ONNX.
            inputs: names of outputs, or constants; a plain number is one of double precision.
            attributes: of the node.
        """
        from onnx import helper

        name = f"{self.prefix}v{len(self.nodes)}"
        names = [one if isinstance(one, str) else self._constant(one) for one in inputs]
        self.nodes.append(helper.make_node(op, names, [name], **attributes))
        return name

    def branch(self, output: str, shape: Sequence[Any]) -> GraphProto:
        """Return the nodes as a branch of an ``If``, of one output in float32."""
        from onnx import helper

        end = helper.make_tensor_value_info(output, _FLOAT, shape)
        return helper.make_graph(self.nodes, self.prefix, [], [end], self.constants)

    def _constant(self, value: NDArray[Any] | float) -> str:
        from onnx import numpy_helper

        array = np.asarray(value, np.float64) if isinstance(value, float) else value
        name = f"{self.prefix}c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name


def images_graph(model: TrainedModel) -> ModelProto:
    """Return the graph from images of any one size to what the network sees of them."""
    from onnx import TensorProto, helper

    transform, channels, stored = model.evaluation, model.facts.channels, model.stored
    add = Nodes("images.")
    shape = add("Cast", add("Shape", IMAGES), to=_DOUBLE)
    height, width = (add("Gather", shape, np.array(axis, np.int64)) for axis in (1, 2))
    grey = add("Cast", add("Transpose", IMAGES, perm=[0, 3, 1, 2]), to=_DOUBLE)
    square = _stored_square(add, grey, (height, width), stored)
    if transform.crop is None:
        scaled = _whole(add, square, transform, stored)
    else:
        scaled = _centre(add, square, (height, width), transform, stored)
    mean, std = (
        np.asarray(numbers, np.float32).reshape(1, -1, 1, 1)
        for numbers in (model.facts.mean, model.facts.std)
    )
    add("Div", add("Sub", scaled, mean), std)
    add.nodes[-1].output[0] = SEEN
    graph = helper.make_graph(
        add.nodes,
        "images",
        [helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ["N", "H", "W", channels])],
        [
            helper.make_tensor_value_info(
                SEEN, TensorProto.FLOAT, ["N", channels, transform.side, transform.side]
            )
        ],
        add.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def _stored_square(add: Nodes, grey: str, size: Sequence[str], stored: int) -> str:
    """Squeeze images (N, channels, H, W) to squares, whole grey levels in float32."""
    down, across = (
        add("Floor", add("Add", add("Mul", _weights(add, n, float(stored), stored), _PILLOW), 0.5))
        for n in size
    )
    across = add("Transpose", across, perm=[1, 0])
    # Sums of whole numbers below 2**53 are exact in whichever order they are computed.
    rows_first, columns_first = Nodes("rows."), Nodes("columns.")
    rows = _pillow_levels(rows_first, rows_first("MatMul", grey, across))
    square = _pillow_levels(rows_first, rows_first("MatMul", down, rows))
    square = rows_first("Cast", square, to=_FLOAT)
    if not columns_go_first():
        add.nodes += rows_first.nodes
        add.constants += rows_first.constants
        return square
    columns = _pillow_levels(columns_first, columns_first("MatMul", down, grey))
    other = _pillow_levels(columns_first, columns_first("MatMul", columns, across))
    other = columns_first("Cast", other, to=_FLOAT)
    shape = ("N", "channels", stored, stored)
    height, width = size
    tall = add("Less", add("Mul", width, 2.0), add("Add", height, float(stored)))
    tall = add("And", tall, add("Greater", height, float(stored)))
    return add(
        "If",
        tall,
        then_branch=columns_first.branch(other, shape),
        else_branch=rows_first.branch(square, shape),
    )


@cache
def columns_go_first() -> bool:
    """Return whether this Pillow shrinks the columns of tall images before their rows.

    Newer ones do where that is less work; the grey levels in between are rounded, so that the
    order shows in the result.
    """
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 17), np.uint8))
    at_once = image.resize((28, 28), Image.Resampling.BILINEAR)
    by_steps = image.resize((17, 28), Image.Resampling.BILINEAR)
    by_steps = by_steps.resize((28, 28), Image.Resampling.BILINEAR)
    return np.array_equal(np.asarray(at_once), np.asarray(by_steps))


def _pillow_levels(add: Nodes, sums: str) -> str:
    levels = add("Floor", add("Div", add("Add", sums, _PILLOW / 2), _PILLOW))
    return add("Clip", levels, 0.0, 255.0)


def _whole(add: Nodes, square: str, transform: EvaluationTransform, stored: int) -> str:
    """Resize squares to what the network sees, in 0…1."""
    scaled = add("Div", square, np.array(255, np.float32))
    if transform.side == stored:
        return scaled
    weights = centre_weights(stored, transform.side, transform.side, transform.interpolation)
    scaled = add("MatMul", scaled, weights.T.numpy())
    scaled = add("MatMul", weights.numpy(), scaled)
    if transform.interpolation != "bicubic":
        return scaled
    return add("Clip", scaled, np.array(0, np.float32), np.array(1, np.float32))


def _centre(
    add: Nodes, square: str, size: Sequence[str], transform: EvaluationTransform, stored: int
) -> str:
    """Cut the centre of the originals from their squares and resize it, in 0…1."""
    shorter, _ = transform.resized(1, 1)
    shortest = add("Min", *size)
    down, across = (
        add("Floor", add("Div", add("Mul", float(shorter), one), shortest)) for one in size
    )
    matrices = [
        add(
            "Cast",
            _weights(add, float(stored), resized, transform.side, transform.interpolation),
            to=_FLOAT,
        )
        for resized in (down, across)
    ]
    rows = _levels(add, add("MatMul", square, add("Transpose", matrices[1], perm=[1, 0])))
    levels = _levels(add, add("MatMul", matrices[0], rows))
    return add("Div", levels, np.array(255, np.float32))


def _levels(add: Nodes, sums: str) -> str:
    levels = add("Floor", add("Add", sums, np.array(0.5, np.float32)))
    return add("Clip", levels, np.array(0, np.float32), np.array(255, np.float32))


def _weights(
    add: Nodes, line: str | float, resized: str | float, side: int, interpolation: str = "bilinear"
) -> str:
    """Add :func:`~ltbench.data.evaluation_transform.centre_weights` of lengths yet unknown.

    Args:
        add: the graph.
        line: pixels of the line, a scalar of double precision.
        resized: pixels that the whole line is resized to, likewise.
        side: pixels of its middle.
        interpolation: ``bilinear``, ``bicubic`` or ``nearest``.

    Returns:
        Weights of input pixels for output pixels, (side, line), each row with the sum 1.
    """
    first = add("Round", add("Div", add("Sub", resized, float(side)), 2.0))  # halves to even
    scale = add("Div", line, resized)
    steps = np.arange(side, dtype=np.float64)[:, None]
    centres = add("Mul", add("Add", add("Add", steps, first), 0.5), scale)
    middles = add("Range", 0.5, line, 1.0)
    if interpolation == "nearest":
        nearest = add("Min", add("Floor", centres), add("Sub", line, 1.0))
        return add("Cast", add("Equal", nearest, add("Floor", middles)), to=_DOUBLE)
    sharpness = add("Reciprocal", add("Max", scale, 1.0))
    x = add("Mul", add("Abs", add("Sub", middles, centres)), sharpness)
    cubic = interpolation == "bicubic"
    weights = _cubic(add, x) if cubic else add("Max", add("Sub", 1.0, x), 0.0)
    return add("Div", weights, add("ReduceSum", weights, np.array([1], np.int64), keepdims=1))


def _cubic(add: Nodes, x: str) -> str:
    """Add the cubic convolution kernel (Keys, 1981, a = -0.5) at distances ``x``."""
    near = _polynomial(add, x, (1.5, -2.5, 0.0, 1.0))
    far = _polynomial(add, x, (-0.5, 2.5, -4.0, 2.0))
    below = [add("Cast", add("Less", x, limit), to=_DOUBLE) for limit in (1.0, 2.0)]
    return add("Add", add("Mul", near, below[0]), add("Mul", far, add("Sub", below[1], below[0])))


def _polynomial(add: Nodes, x: str, coefficients: Sequence[float]) -> str:
    first, *others = coefficients
    value = add("Mul", x, first)
    for number, one in enumerate(others):
        value = add("Add", value, one)
        if number < len(others) - 1:
            value = add("Mul", value, x)
    return value
