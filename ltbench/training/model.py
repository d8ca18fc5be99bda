"""Builds the model of a run: backbone, algorithm, and the stages on top of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ltbench.models.adaptation.adapted import adapted
from ltbench.models.catalogue import build_backbone
from ltbench.models.weights import load_weights
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.batch import TrainInfo
from ltbench.plugins.facts import Facts
from ltbench.plugins.head import Head
from ltbench.plugins.resolve import resolve_written
from ltbench.plugins.split import Split
from ltbench.results.arithmetic import used_format
from ltbench.results.run import RunSpec
from ltbench.training.classifier_start import check_made
from ltbench.training.memory_format import channels_last
from ltbench.training.plugin_versions import check_plugin_versions
from ltbench.training.seeding import seed_torch
from ltbench.training.steps import stage_steps


def stage_names(spec: RunSpec) -> list[str]:
    """Return the names of a run's stages with their modifiers; the first is the algorithm."""
    return [part.title for part in spec.parts]


def placed(model: Algorithm, device: torch.device, memory_format: str) -> Algorithm:
    """Return a model on a device, its kernels of convolutions in a memory format.

    Args:
        model: on any device.
        device: where it is to live.
        memory_format: ``contiguous`` or ``channels-last``.
    """
    model = model.to(device)
    if memory_format == "channels-last":
        channels_last(model)
    return model


class ModelBuilder:
    """Builds the model of a run stage by stage, its weights a function of the seed.

    Args:
        spec: of the run.
        facts: of the data set.
        split: of the data set.
        device: where the model lives.
        weights: local checkpoint for the backbone, if any.

    Raises:
        PluginError: a plugin is here in another version than the run was planned with.
    """

    def __init__(
        self,
        spec: RunSpec,
        facts: Facts,
        split: Split,
        device: torch.device,
        weights: Path | None = None,
    ) -> None:
        check_plugin_versions(spec)
        self.spec, self.device, self.weights = spec, device, weights
        domains = len(facts.domains) - split.held_out
        self.info = TrainInfo(
            counts=torch.from_numpy(split.counts("train")[:domains]),
            domains=facts.domains[:domains],
            classes=facts.classes,
            **facts.shots.as_dict(),
            steps=stage_steps(spec)[0],
            batch_per_domain=spec.protocol.batch_per_domain,
            image_shape=(facts.channels, facts.size, facts.size),
            label_smoothing=spec.protocol.label_smoothing,
            dropout=spec.protocol.dropout,
            accumulate=spec.protocol.accumulate,
            head=Head.of(spec.backbone.chosen),
            freeze_bn=spec.protocol.freeze_bn,
        )
        self.names = stage_names(spec)

    def algorithm(self) -> Algorithm:
        """Return the algorithm with fresh weights."""
        seed_torch(self.spec.seed, "initial weights", 0)
        backbone = build_backbone(
            self.spec.backbone.name,
            self.info.image_shape,
            self.spec.backbone.pretrained,
            self.spec.protocol.drop_path,
        )
        if self.weights is not None:
            load_weights(backbone, self.weights)
        named = self.spec.backbone
        backbone = adapted(backbone, named.chosen, named.name, self.info.num_classes)
        component = self.spec.algorithm
        cls, hparams = resolve_written("algorithms", component.name, component.hparams)
        model = cls(backbone, self.info, hparams)
        check_made(model, self.info.head, component.title)
        return self._placed(model)

    def stage(self, index: int, base: Algorithm) -> Algorithm:
        """Return stage ``index`` (from 1) on top of ``base``."""
        seed_torch(self.spec.seed, "initial weights", index)
        component = self.spec.stages[index - 1]
        cls, hparams = resolve_written("stages", component.name, component.hparams)
        info = replace(self.info, steps=self.steps(index))
        return self._placed(cls(base, info, hparams))

    def up_to(self, index: int) -> Algorithm:
        """Return the whole chain up to stage ``index``; its weights are yet to be loaded."""
        model = self.algorithm()
        for number in range(1, index + 1):
            model = self.stage(number, model)
        return model

    def steps(self, index: int) -> int:
        """Return the optimisation steps of stage ``index``."""
        return stage_steps(self.spec)[index]

    def _placed(self, model: Algorithm) -> Algorithm:
        for module in model.modules():
            if isinstance(module, Algorithm):
                module.precision = self.spec.precision
        return placed(model, self.device, used_format(self.spec.memory_format, self.device.type))
