"""Updates of low rank to queries and values."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ltbench.plugins.backbone_options import BackboneOptions

_QUERIES, _VALUES = ("q", "q_proj"), ("v", "v_proj")


class LoRALinear(nn.Module):
    """A frozen linear layer W with x·A·B·α/r added to some of its outputs.

    Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022, arXiv:2106.09685,
    equation 3, adapted there to queries and values. A is drawn as the authors' code draws it
    (Kaiming-uniform, a = √5) and B is zero, so that training begins at W. With α = 1, as in their
    code and in Shi et al., "Long-tail learning with foundation model: heavy fine-tuning hurts",
    ICML 2024, arXiv:2309.10019.

    Args:
        linear: W, frozen.
        starts: where the outputs begin that are adapted, ``width`` each.
        width: of them.
        rank: r.
        alpha: α.
    """

    def __init__(
        self, linear: nn.Linear, starts: tuple[int, ...], width: int, rank: int, alpha: float
    ) -> None:
        super().__init__()
        self.linear, self.starts, self.width = linear, starts, width
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.scale = alpha / rank
        weights = [torch.empty(rank, linear.in_features) for _ in starts]
        for weight in weights:
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
        self.a = nn.Parameter(torch.stack([weight.T for weight in weights]))
        self.b = nn.Parameter(torch.zeros(len(starts), rank, width))

    @property
    def weight(self) -> Tensor:
        """The whole matrix W + (A·B·α/r)ᵀ, for networks that multiply by it themselves."""
        added = torch.zeros_like(self.linear.weight)
        for start, part in zip(self.starts, self.scale * (self.a @ self.b).mT, strict=True):
            added = added + nn.functional.pad(
                part, (0, 0, start, self.out_features - start - self.width)
            )
        return self.linear.weight + added

    @property
    def bias(self) -> Tensor | None:
        """That of the frozen layer."""
        return self.linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (…, ``out_features``) for ``x`` (…, ``in_features``)."""
        if torch.onnx.is_in_onnx_export():  # exporters lose what is added in place to a part
            return nn.functional.linear(x, self.weight, self.bias)
        y: Tensor = self.linear(x)
        for start, a, b in zip(self.starts, self.a, self.b, strict=True):
            y.narrow(-1, start, self.width).add_(x @ a @ b * self.scale)
        return y


def add_lora(network: nn.Module, options: BackboneOptions, classes: int) -> int:
    """Adapt the queries and values of every attention in a frozen network; return how many.

    Args:
        network: is changed.
        options: ``rank`` and ``alpha``.
        classes: of the data set; the rank does not depend on them.
    """
    found = list(_attentions(network))
    for module, layers in found:
        for name, starts in layers.items():
            linear = getattr(module, name)
            width = linear.out_features if starts == (0,) else linear.out_features // 3
            adapted = LoRALinear(linear, starts, width, options.rank, options.alpha)
            setattr(module, name, adapted)
    return len(found)


def _attentions(network: nn.Module) -> Iterator[tuple[nn.Module, dict[str, tuple[int, ...]]]]:
    """Yield what has queries and values, with its layers that give them and where in these.

    Those of timm have one layer of queries, keys and values, in this order, or one for each.
    """
    for module in network.modules():
        fused = getattr(module, "qkv", None)
        if isinstance(fused, nn.Linear) and not getattr(module, "head_first", False):
            if fused.out_features % 3 == 0:
                third = fused.out_features // 3
                yield module, {"qkv": (0, 2 * third)}
            continue
        names = [
            next((n for n in names if isinstance(getattr(module, n, None), nn.Linear)), "")
            for names in (_QUERIES, _VALUES)
        ]
        if all(names):
            yield module, dict.fromkeys(names, (0,))
