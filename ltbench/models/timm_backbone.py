"""Any model of timm as a backbone."""

from __future__ import annotations

from typing import Any

import timm
from torch import Tensor

from ltbench.errors import UsageError
from ltbench.plugins.backbone import Backbone


class TimmBackbone(Backbone):
    """A timm model without its classifier (https://github.com/huggingface/pytorch-image-models).

    Args:
        name: the model's name in timm.
        image_shape: channels, height and width of the images.
        pretrained: start from the weights that timm names for this model.
        drop_path: timm's ``drop_path_rate``, 0…1, how often the deepest path is left out.

    Raises:
        UsageError: the model cannot be built for such images, or its weights cannot be fetched.
    """

    def __init__(
        self,
        name: str,
        image_shape: tuple[int, int, int],
        pretrained: bool = False,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        channels, height, _ = image_shape
        try:
            model = _create(name, pretrained, channels, height, drop_path)
        except Exception as error:
            raise UsageError(_cause(name, pretrained, error)) from error
        self.model = model
        # Convolutional models may append a head convolution after the pool (mobilenetv3, …).
        self.num_features = int(getattr(model, "head_hidden_size", None) or model.num_features)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled features (N, ``num_features``) of the images ``x``."""
        features: Tensor = self.model(x)
        return features


def _create(name: str, pretrained: bool, channels: int, height: int, drop_path: float) -> Any:
    options: dict[str, Any] = {"pretrained": pretrained, "in_chans": channels, "num_classes": 0}
    if drop_path:
        options["drop_path_rate"] = drop_path
    try:
        return timm.create_model(name, img_size=height, **options)  # transformers need the size
    except TypeError:
        return timm.create_model(name, **options)


def _cause(name: str, pretrained: bool, error: Exception) -> str:
    if pretrained:
        return (
            f"the pretrained weights of backbone '{name}' cannot be fetched "
            f"({type(error).__name__}); train from scratch with --no-pretrained, or name a local "
            "checkpoint with --weights FILE"
        )
    return f"backbone '{name}' cannot be built: {error}"
