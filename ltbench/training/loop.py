"""The training loop of one stage: steps, evaluations, checkpoints, model selection."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from ltbench.errors import DivergedError
from ltbench.evaluation.compute import compute_metrics, want_probabilities
from ltbench.evaluation.evaluator import Features, LogitAnswers
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.class_texts import ClassTexts
from ltbench.plugins.loss_scale import LossScale
from ltbench.plugins.stopwatch import Stopwatch
from ltbench.plugins.training import Change, Training
from ltbench.results.protocol import epoch_steps
from ltbench.training.batch_norm import (
    MOST_IMAGES,
    adapting_norms,
    begin_training,
    estimate_statistics,
    freeze_statistics,
)
from ltbench.training.batches import Drawn, TrainingBatches
from ltbench.training.checkpoint import Best, Checkpoint, clone_state, copied
from ltbench.training.checkpoint_writer import CheckpointWriter
from ltbench.training.classifier_start import start_classifier
from ltbench.training.context import RunContext
from ltbench.training.finite import check_finite
from ltbench.training.frozen_network import FrozenNetwork, frozen_network
from ltbench.training.initial_state import initial_state
from ltbench.training.modification import Modification
from ltbench.training.optimizers import base_lr, optimizer_maker
from ltbench.training.seeding import derive_seed, seed_torch
from ltbench.training.steps import stage_protocol

STEP_REPORT_SECONDS = 0.5


class Interrupted(Exception):
    """The run was asked to stop; its checkpoint is written."""


class StageLoop(Training):
    """Trains one model from a checkpoint's step to the last one.

    Args:
        context: of the run.
        name: of the algorithm or stage.
        model: on the device, in the state that ``checkpoint`` describes.
        steps: optimisation steps of this stage.
        checkpoint: where to go on; a fresh stage has ``step`` 0. It is updated as training
            proceeds.
    """

    def __init__(
        self, context: RunContext, name: str, model: Algorithm, steps: int, checkpoint: Checkpoint
    ) -> None:
        self.context, self.name, self.model, self.steps = context, name, model, steps
        self.state, self.seed = checkpoint, context.spec.seed
        self.protocol = stage_protocol(context.spec.protocol, model)
        # By number, not by name: at one seed every algorithm sees the same batches.
        self.purpose = f"stage {checkpoint.stage}"
        self.batches = TrainingBatches(
            model, context, self.protocol, self.purpose, steps * self.protocol.accumulate
        )
        model.optimizers = model.configure_optimizers(optimizer_maker(self.protocol, model))
        for key, saved in checkpoint.optimizers.items():
            model.optimizers[key].load_state_dict(saved)
        rows = context.split.rows("train")
        self.domains = self.batches.domains
        self.micro_batches = model.micro_batches = self.protocol.accumulate
        in_step = self.protocol.batch_per_domain * self.micro_batches
        per_epoch = self.protocol.schedule_per == "epoch"
        self.steps_per_rate = epoch_steps(len(rows), self.domains, in_step) if per_epoch else 1
        self.running: dict[str, Tensor] = {
            key: value.to(context.images.device) for key, value in checkpoint.running.items()
        }
        model.loss_scale = LossScale(context.images.device) if model.precision == "fp16" else None
        if model.loss_scale and checkpoint.loss_scale:
            model.loss_scale.load_state_dict(checkpoint.loss_scale)
        self.started = time.monotonic() - checkpoint.seconds
        if checkpoint.step == 0 and checkpoint.best is None:
            train = partial(self.extract_features, "train")
            start_classifier(model, train, self.class_texts, context.say)
        part = context.spec.parts[checkpoint.stage]
        self.modification = Modification(part, model, checkpoint.modifiers)
        # The model and its optimisers have them; as long as they train nobody else needs them.
        checkpoint.model, checkpoint.optimizers, checkpoint.modifiers = {}, {}, []
        # Seeded anew for every batch, and made once: a graph of a step could hold it.
        self.generator = torch.Generator(context.images.device)
        self.writer = CheckpointWriter(context.folder)
        self.frozen: FrozenNetwork | None = None
        self.stopwatch = Stopwatch(checkpoint.spent)
        checkpoint.spent = self.stopwatch.seconds
        for module in model.modules():
            if isinstance(module, Algorithm):
                module.stopwatch = self.stopwatch

    def run(self) -> Best:
        """Train to the end of the stage and return its best model.

        Raises:
            DivergedError: a loss is not finite, or that in training above the protocol's bound.
            Interrupted: the run was asked to stop.
            OSError: a checkpoint could not be written.
        """
        with self.writer:
            self._train()
            # A stage that stopped within the first steps leaves it set, and the next trains all.
            self.model.backbone_rests = False
            with self.stopwatch.part("waiting"):
                self.writer.finish()
        self.state.seconds = time.monotonic() - self.started
        # A copy: the test's forward passes are no part of these seconds.
        self.state.spent = dict(self.stopwatch.seconds)
        assert self.state.best is not None
        return self.state.best

    def _train(self) -> None:
        self._train_mode()
        reported = 0.0
        # A run that was broken off where its stage had stopped early has no steps left.
        last = self.state.step if self._stopped() else self.steps
        if self.state.step < last:
            drawn = self.steps * self.micro_batches * self.protocol.batch_per_domain * self.domains
            self.frozen = frozen_network(self.model, self.batches.views[0], self.context, drawn)
        ends = (step * self.micro_batches for step in (self.state.step, last))
        for number, drawn_images in enumerate(self._awaited(self.batches.stream(*ends))):
            self._part(drawn_images, number % self.micro_batches)
            if (number + 1) % self.micro_batches:
                continue
            self.state.step += 1
            with self.stopwatch.part("own"):
                self.modification.after_step(self.state.step)
            if evaluated := self.protocol.evaluates_at(self.state.step, self.steps):
                self._evaluate()
            if self._ended() or self.writer.due(evaluated):
                self._write()
            if self._stopped():
                break
            if self.context.should_stop():
                self._write()
                self.writer.finish()
                raise Interrupted
            if time.monotonic() - reported > STEP_REPORT_SECONDS:
                reported = time.monotonic()
                self.context.report({"event": "step", "stage": self.name, "step": self.state.step})
        if self.state.best is None:  # a stage without optimisation steps
            self._seed(0)
            self.model.before_step(0, self)
            self._evaluate()
            self._write()

    def _awaited(self, batches: Iterable[Drawn]) -> Iterator[Drawn]:
        """Yield batches, and count the time until each is there as that of the input."""
        following = iter(batches)
        while True:
            with self.stopwatch.part("input"):
                batch = next(following, None)
            if batch is None:
                return
            yield batch

    def _write(self) -> None:
        """Have a checkpoint written, once the one before is on the disk."""
        with self.stopwatch.part("waiting"):
            self.writer.finish()
        with self.stopwatch.part("checkpoint"):
            self.writer.begin(self._snapshot)

    def extract_features(self, part: str) -> Features:
        """Return the features of ``train`` or ``val`` images; see ``ltbench.api.Training``."""
        rows = self.context.rows_for(self.model, part)
        found = self.context.evaluator.features(self.model, rows)
        self._train_mode()
        return found

    def extract_logits(self, part: str) -> LogitAnswers:
        """Return the logits of ``train`` or ``val`` images; see ``ltbench.api.Training``."""
        rows = self.context.rows_for(self.model, part)
        found = self.context.evaluator.logit_answers(self.model, rows)
        self._train_mode()
        return found

    def initial_state(self) -> dict[str, Tensor]:
        """Return the state that the model had before any training; see ``ltbench.api.Training``."""
        return initial_state(self.context, self.state.stage)

    def estimate_batch_norm(self) -> None:
        """Estimate statistics of batch normalisation anew; see ``ltbench.api.Training``."""
        for module in self.model.modules():
            module.training = isinstance(module, nn.modules.batchnorm._BatchNorm)
        if self.protocol.freeze_bn:
            freeze_statistics(self.model)
        self._adapt()
        self._train_mode()

    def say(self, sentence: str) -> None:
        """Tell whoever watches the run; see ``ltbench.api.Training``."""
        self.context.say(sentence)

    def _seed(self, number: int) -> None:
        """Seed what the model draws from for a batch of the stage."""
        seed_torch(self.seed, self.purpose, "step", number)
        seed = derive_seed(self.seed, self.purpose, "algorithm", number)
        self.model.generator = self.generator.manual_seed(seed)

    def train_labels(self) -> tuple[Tensor, Tensor]:
        """Return classes and domains of training images; see ``ltbench.api.Training``."""
        return self.context.train_labels()

    @torch.no_grad()
    def predict_augmented(
        self, places: Tensor, change: Change, generator: torch.Generator
    ) -> Tensor:
        """Return logits of augmented training images; see ``ltbench.api.Training``."""
        self.model.eval()
        found, number = [], self.state.step * self.micro_batches
        for x in self.batches.changed(places, change, generator, number):
            found.append(self.model.predict(x))
            self.context.evaluator.after_batch()
        self._train_mode()
        return torch.cat(found)

    def class_texts(self, prompt: str) -> ClassTexts:
        """Return what the text tower says of the classes; see ``ltbench.api.Training``."""
        return self.context.class_texts(prompt)

    def _part(self, drawn: Drawn, part: int) -> None:
        """Work on a batch, one of those that make the present step."""
        step = self.state.step
        # The number of the batch in the stage: the seed of all that is drawn for it.
        number = step * self.micro_batches + part
        self._seed(number)
        self.model.micro_batch = part
        if part == 0:
            with self.stopwatch.part("own", whole=True):
                self.model.before_step(step, self)
        with self.stopwatch.part("input"):
            batch = self.batches.batch(drawn, number)
        self._set_lr(step)
        self.model.backbone_rests = self.state.stage == 0 and step < self.protocol.head_steps
        frozen = self.frozen
        looked_up = frozen.answering(batch.x, drawn.rows[0]) if frozen else contextlib.nullcontext()
        with self.stopwatch.part("own"), looked_up:
            losses = self.modification.step(batch)
        for key, value in losses.items():
            self.running[key] = self.running.get(key, 0) + value.detach().float()
            self.state.running_steps[key] = self.state.running_steps.get(key, 0) + 1

    def _set_lr(self, step: int) -> None:
        each = self.steps_per_rate
        factor = self.protocol.lr_factor(step // each, self.steps / each, self.state.drops)
        factor = self.modification.rate(step, factor)
        for optimizer in self.model.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    def _ended(self) -> bool:
        """Return whether the stage has no steps left."""
        return self.state.step >= self.steps or self._stopped()

    def _stopped(self) -> bool:
        """Return whether the stage ended before its last step."""
        waited = 0 < self.protocol.patience <= self.state.stale
        return (waited or self.modification.finished) and self.state.step < self.steps

    def _evaluate(self) -> None:
        began = time.monotonic()
        with self.stopwatch.part("waiting"):  # for what an accelerator has yet to compute
            losses, overflowed = self._mean_losses(), self._overflowed()
        with self.stopwatch.part("evaluation", whole=True):
            val = self._validate()
        self._train_mode()
        self.state.evaluating += time.monotonic() - began
        self.state.seconds = time.monotonic() - self.started
        record = {
            "stage": self.name,
            "step": self.state.step,
            "losses": losses,
            "val": val,
            "lr": base_lr(self.model.optimizers),
            "seconds": round(self.state.seconds, 3),
        }
        if overflowed:
            record["overflowed"] = overflowed
        if self._stopped():
            record["stopped"] = True
            self.state.stopped.append({"stage": self.name, "step": self.state.step})
        self.context.folder.append_log(record)
        self.state.log_lines += 1
        self.context.report({"event": "evaluated", **record})

    def _validate(self) -> dict[str, float | None]:
        """Return the validation metrics of what is to be evaluated, and keep the best of it."""
        rows, found = self.context.split.rows("val"), None
        ask = partial(self.context.evaluator.predictions, probabilities=want_probabilities())
        if self.modification.watches:
            found = ask(self.model, rows)
            self._train_mode()
            self.modification.after_evaluation(self.state.step, found)
        with self.modification.standing(self._adapt) as given:
            if len(rows) and (given or found is None):
                found = ask(self.model, rows)
            if found is not None:
                check_finite(found, f"{self.name} on validation images at step {self.state.step}")
            # A protocol that takes the last model needs no images to choose by.
            val = dict(compute_metrics(found, chosen=False)) if found is not None else {}
            metric = self.protocol.selection_metric
            value = float(self.state.step) if metric == "step" else val[metric]
            if value is None:
                raise DivergedError(f"validation gives no {metric} to choose a model by")
            self._compare(value, val, given=given)
        return val

    def _adapt(self) -> None:
        """Estimate the statistics of batch normalisation anew, of weights that did not train."""
        if not adapting_norms(self.model):
            return
        images = min(len(self.context.split.rows("train")), MOST_IMAGES)
        last = max(0, self.state.step * self.micro_batches - 1)  # that these weights learned from
        estimate_statistics(self.model, self.batches.first_views(images, last))

    def _mean_losses(self) -> dict[str, float]:
        """Return the mean of each loss since the last evaluation and start counting anew."""
        steps = self.state.running_steps
        losses = {key: float(value) / steps[key] for key, value in self.running.items()}
        self.running, self.state.running_steps = {}, {}
        total = losses.get("total", 0.0)
        if not math.isfinite(total) or abs(total) > self.protocol.max_loss:
            raise DivergedError(
                f"the mean loss of {self.name} up to step {self.state.step} is {total:g}; "
                "a smaller --lr may help"
            )
        return losses

    def _overflowed(self) -> int:
        """Return how many steps since the last evaluation float16 could not hold, and count anew.

        The first steps find the scale of the loss. Where none was taken and a scale below 1, or the
        stage's end, is reached, it is not the scale.
        """
        scale = self.model.loss_scale
        if scale is None:
            return 0
        overflowed, steps = scale.overflowed, scale.steps
        scale.restart()
        if steps and overflowed == steps and (scale.value < 1 or self.state.step >= self.steps):
            raise DivergedError(
                f"the gradients of {self.name} overflowed float16 in all {steps} optimiser steps "
                f"up to step {self.state.step}, though the loss was scaled by {scale.value:g} at "
                "last; use --precision bf16 or fp32"
            )
        return overflowed

    def _compare(self, value: float, val: dict[str, float | None], *, given: bool) -> None:
        """Keep the model where its score is the best, else count the evaluations without one.

        The first whose weights a modifier gives is better than all those in training before it.
        """
        if given and not self.state.given:
            self.state.best, self.state.given = None, True
        if self.state.best is None or value > self.state.best.value:
            self.state.best = Best(self.state.step, value, val, clone_state(self.model))
            self.state.stale = self.state.waited = 0
            return
        self.state.stale += 1
        self.state.waited += 1
        if self.state.waited >= self.protocol.decay_patience:
            self.state.drops, self.state.waited = self.state.drops + 1, 0

    def _snapshot(self) -> Checkpoint:
        """Return the state as it is now, of which training will change nothing.

        The chosen model is never changed, so where it is the present one, or all that is needed
        from now on, there is no second copy.
        """
        state, best = self.state, self.state.best
        state.seconds = time.monotonic() - self.started
        state.evaluation_batch = self.context.evaluator.batch
        scale = self.model.loss_scale
        same = best is not None and best.step == state.step and not state.given
        present = same or self._ended()
        states = {key: optimizer.state_dict() for key, optimizer in self.model.optimizers.items()}
        return replace(
            state,
            model=best.model if best and present else clone_state(self.model),
            optimizers={} if self._ended() else copied(states),
            running=copied(self.running),
            loss_scale=scale.state_dict() if scale else {},
            running_steps=dict(state.running_steps),
            spent=dict(state.spent),
            stopped=list(state.stopped),
            modifiers=copied(self.modification.state()),
        )

    def _train_mode(self) -> None:
        begin_training(self.model, freeze_bn=self.protocol.freeze_bn)
