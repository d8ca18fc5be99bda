"""A stage: training that goes on from the model that an algorithm chose."""

import torch
from torch import nn

from ltbench.api import Stage


class Temperature(Stage):
    """Temperature scaling (Guo et al., ICML 2017, arXiv:1706.04599), on the training images.

    Answers stay the same and become more or less sure of themselves.
    """

    default_base = "erm"  # so that ``temperature`` alone means ``erm+temperature``

    def __init__(self, base, train_info, hparams):
        super().__init__(base, train_info, hparams)
        self.classifier = nn.Identity()  # none of its own: it uses the base's
        # A parameter, so that it is trained, checkpointed and resumed. A plain number would not be.
        self.log_temperature = nn.Parameter(torch.zeros(()))

    def predict(self, x):
        """Return the logits of ``self.base``, which is frozen, divided by the temperature."""
        with torch.no_grad():
            logits = self.base.predict(x)
        return logits / self.log_temperature.exp()
