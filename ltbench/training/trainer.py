"""Trains a run from a checkpoint to its end, tests the chosen model, and makes the result.

Who may write to the run's folder, and what becomes of a run that fails or is stopped, is the
business of :mod:`ltbench.training.run`, which calls this.
"""

from __future__ import annotations

from typing import Any

import torch

from ltbench.evaluation.cost import multiply_adds, parameter_count, trainable_count
from ltbench.evaluation.measures import declared_measures
from ltbench.plugins.algorithm import Algorithm
from ltbench.training.checkpoint import Best, Checkpoint, keep_beginning, save_checkpoint
from ltbench.training.context import RunContext
from ltbench.training.environment import environment
from ltbench.training.final_test import evaluate_on_test
from ltbench.training.first_stage import FirstStage, log_digest
from ltbench.training.loop import StageLoop
from ltbench.training.memory import peak_memory_mb, reset_peak_memory
from ltbench.training.model import ModelBuilder
from ltbench.training.plugin_versions import own_code
from ltbench.training.repeatability import repeatable
from ltbench.training.validation_labels import as_result, trained_on_validation

_counted_macs: dict[str, int] = {}


def train_and_test(
    context: RunContext, checkpoint: Checkpoint, first: FirstStage | None = None
) -> dict[str, Any]:
    """Train what is left of a run, test it, and return the content of ``result.json``.

    Args:
        context: of the run.
        checkpoint: where to go on; it is updated as training proceeds.
        first: the first stage, where the run shares it with others and has not passed it.

    Raises:
        DivergedError: a loss is not finite, or above the protocol's bound.
        Interrupted: the run was asked to stop; its newest checkpoint is written.
        Exception: whatever a plugin raises.
    """
    device = context.images.device
    reset_peak_memory(device)
    with repeatable(device, checkpoint.threads, context.spec.protocol.deterministic):
        return _trained_and_tested(context, checkpoint, first, device)


def _trained_and_tested(
    context: RunContext, checkpoint: Checkpoint, first: FirstStage | None, device: torch.device
) -> dict[str, Any]:
    code = own_code(context.spec)  # before anybody edits it
    model, best, stage = _train(context, checkpoint, first)
    context.folder.guard()
    save_checkpoint(context.folder.best, best, sync=None)
    context.folder.beginning.unlink(missing_ok=True)
    tested = evaluate_on_test(model, context)
    spec = context.spec
    return {
        "format": 1,
        "hash": spec.hash,
        "seed": spec.seed,
        "label": spec.label,
        **({"split": spec.data["split"]} if "split" in spec.data else {}),
        **tested,
        "metrics": declared_measures(tested["test"]),
        "val": best.val,
        **as_result(trained_on_validation(spec)),
        "selection": {
            "metric": spec.protocol.selection_metric,
            "value": best.value,
            "stage": stage,
            "step": best.step,
            **({"stopped": checkpoint.stopped} if checkpoint.stopped else {}),
        },
        "timings": {
            "train_s": round(checkpoint.seconds - checkpoint.evaluating, 3),
            "evaluate_s": round(checkpoint.evaluating, 3),
            "total_s": round(checkpoint.seconds, 3),
            "spent": {part: round(seconds, 3) for part, seconds in checkpoint.spent.items()},
            **({"taken_over": checkpoint.taken_over} if checkpoint.taken_over else {}),
        },
        "evaluation_batch": checkpoint.evaluation_batch,
        "log_sha256": log_digest(context.folder.log.read_bytes()),
        "environment": environment(
            device,
            checkpoint.threads,
            code,
            spec.plugins,
            deterministic=spec.protocol.deterministic,
        ),
        "parameters": parameter_count(model),
        "trainable_parameters": trainable_count(model),
        "macs": _multiply_adds(spec.hash, model),
        "peak_memory_mb": peak_memory_mb(device),
    }


def _train(
    context: RunContext, checkpoint: Checkpoint, first: FirstStage | None
) -> tuple[Algorithm, Best, str]:
    """Train the stages that are left and return the chosen model with the stage's name."""
    builder = ModelBuilder(
        context.spec, context.facts, context.split, context.images.device, context.weights
    )
    last = len(builder.names) - 1
    context.evaluator.batch = checkpoint.evaluation_batch  # sums depend on it
    if checkpoint.step == 0 and last > 0:
        # A stage that cannot stand on this algorithm says so now, not after the training.
        builder.up_to(last)
    model = builder.up_to(checkpoint.stage)
    if checkpoint.model:
        model.load_state_dict(checkpoint.model)
    while True:
        stage = checkpoint.stage
        name = builder.names[stage]
        if stage > 0 and checkpoint.step == 0:
            keep_beginning(context.folder, checkpoint, model)
        best = first.take_over(context, checkpoint, model) if first and stage == 0 else None
        if best is None:
            best = StageLoop(context, name, model, builder.steps(stage), checkpoint).run()
            if first and stage == 0:
                first.publish(checkpoint, best)
        model.load_state_dict(best.model)
        if stage == last:
            return model, best, name
        model = builder.stage(stage + 1, model)
        checkpoint.begin_stage(stage + 1)


def _multiply_adds(identity: str, model: Algorithm) -> int:
    """Return the multiply-adds, counted once a process for runs that differ in their seed only."""
    if identity not in _counted_macs:
        _counted_macs.clear()  # seeds follow one another, so one is enough to remember
        _counted_macs[identity] = multiply_adds(model)
    return _counted_macs[identity]
