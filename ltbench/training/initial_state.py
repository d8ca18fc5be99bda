"""What a run's model was before its first step, built anew from the seed."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ltbench.training.classifier_start import start_classifier
from ltbench.training.context import RunContext
from ltbench.training.model import ModelBuilder


def initial_state(context: RunContext, stage: int) -> dict[str, Tensor]:
    """Return the state that the model of a stage had before any training.

    Args:
        context: of the run.
        stage: index of the stage, 0 for the algorithm.
    """
    device, rows = context.images.device, context.split.rows("train")
    builder = ModelBuilder(context.spec, context.facts, context.split, device, context.weights)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):  # what the present step draws stays what it is
        model = builder.algorithm()
        for number in range(stage + 1):
            model = builder.stage(number, model) if number else model
            features = partial(context.evaluator.features, model, rows)
            start_classifier(model, features, context.class_texts)
        return model.state_dict()
