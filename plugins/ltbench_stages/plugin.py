"""Registers the stages of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl

STAGES = {
    "crt": ("crt:CRT", "Classifier re-training on frozen features, class-balanced batches"),
    "finetune": ("finetune:FineTune", "Trains all of a probed network on, from its classifier"),
    "lws": ("lws:LWS", "Learns a scale for each class's logit, class-balanced batches"),
    "tau-norm": ("tau_norm:TauNorm", "Class weights divided by their norm^τ, τ from validation"),
    "posthoc-la": ("posthoc_la:PosthocLA", "Logits less τ times the log prior at test"),
    "mislas": ("mislas:MiSLAS", "Label-aware smoothing on frozen features; alone after mixup"),
    "weight-balancing": (
        "weight_balancing:WeightBalancing",
        "Class-balanced loss, weight decay and MaxNorm on the classifier",
    ),
    "h2t": ("h2t:H2T", "Features of frequent classes in those of rare ones, for the classifier"),
    "dfr": ("dfr:DFR", "L1 logistic regression on validation features, balanced over groups"),
    "mlls": (
        "mlls:MLLS",
        "Test prior by EM on the unlabelled test images, logits corrected for it",
    ),
    "wise-ft": ("wise_ft:WiSEFT", "Weights between those of the start and those of the end"),
}


@hookimpl
def ltbench_stages(register: Register) -> None:
    """Register the stages."""
    for name, (target, summary) in STAGES.items():
        register(name, f"ltbench_stages.{target}", summary=summary)
