"""What the core itself brings: metrics, backbones, the local executor and progress displays."""

from __future__ import annotations

from ltbench import hookimpl
from ltbench.plugins.hookspecs import Register, RegisterMetric
from ltbench.plugins.shots import SHOTS

MEASURES = {
    "accuracy": {"better": "higher", "unit": "%", "head": "acc", "words": "accuracy"},
    "macro_f1": {"better": "higher", "unit": "%", "head": "F1", "words": "macro-F1"},
    "f1": {"better": "higher", "unit": "%", "head": "F1", "words": "F1"},
    "loss": {"better": "lower", "unit": "nats", "head": "loss", "words": "loss"},
    "ece": {"better": "lower", "unit": "%", "head": "ECE", "words": "calibration error"},
    "balanced_accuracy": {
        "better": "higher", "unit": "%", "head": "balanced acc", "words": "balanced accuracy"
    },
    "adjusted_accuracy": {
        "better": "higher", "unit": "%", "head": "adjusted acc", "words": "adjusted accuracy"
    },
    "top5_accuracy": {
        "better": "higher", "unit": "%", "head": "top-5 acc", "words": "top-5 accuracy"
    },
    "gmean": {
        "better": "higher", "unit": "%", "head": "G-mean", "words": "geometric mean of recalls"
    },
    "hmean": {
        "better": "higher", "unit": "%", "head": "H-mean", "words": "harmonic mean of recalls"
    },
    "macro_auroc": {"better": "higher", "unit": "%", "head": "AUROC", "words": "macro-AUROC"},
    "macro_auprc": {"better": "higher", "unit": "%", "head": "AUPRC", "words": "macro-AUPRC"},
    "brier_score": {"better": "lower", "unit": "", "head": "Brier", "words": "Brier score"},
    "adaptive_ece": {
        "better": "lower", "unit": "%", "head": "adaptive ECE", "words": "adaptive ECE"
    },
    **{
        f"accuracy_{shot}_pooled": {
            "better": "higher", "unit": "%", "head": f"acc {shot}", "words": f"{shot}-shot accuracy"
        }
        for shot in SHOTS
    },
}  # fmt: skip
"""What the core's metrics measure, by the base names of their values."""

SHOT_BASES = ("accuracy", *(base for base in MEASURES if base.endswith("_pooled")))
ONE_VS_REST_BASES = ("macro_auroc", "macro_auprc")
RECALL_BASES = ("accuracy", "balanced_accuracy", "gmean", "hmean")


@hookimpl
def ltbench_metrics(register: RegisterMetric) -> None:
    """Register the metrics of the field."""
    for name, bases, summary in (
        ("accuracy", ("accuracy",), "Top-1 accuracy over domains and worst"),
        ("macro-f1", ("macro_f1", "f1"), "Macro-F1 over domains and worst"),
        ("shots", SHOT_BASES, "Accuracy of many, medium, few, zero shots, of pairs and pooled"),
        ("loss", ("loss",), "Mean negative log-likelihood"),
        ("ece", ("ece",), "Expected calibration error, 15 bins"),
    ):
        target = f"ltbench.evaluation.metrics:{name.replace('-', '_')}"
        register(name, target, summary=summary, bases={base: MEASURES[base] for base in bases})
    for name, module, bases, summary in (
        ("class-recalls", "recalls", RECALL_BASES, "Balanced accuracy, G-mean, H-mean, worst 10 %"),
        ("adjusted-accuracy", "recalls", ("adjusted_accuracy",), "Mean accuracy of the pairs"),
        ("shot-f1", "recalls", ("f1",), "F1 of many, medium, few, zero shots"),
        ("top5-accuracy", "probabilities", ("top5_accuracy",), "Top-5 accuracy"),
        ("one-vs-rest", "probabilities", ONE_VS_REST_BASES, "Macro-AUROC and AUPRC"),
        ("brier-score", "probabilities", ("brier_score",), "Squared error of all probabilities"),
        ("adaptive-ece", "metrics", ("adaptive_ece",), "Calibration error, 15 bins of equal mass"),
    ):  # fmt: skip
        register(
            name,
            f"ltbench.evaluation.{module}:{name.replace('-', '_')}",
            summary=summary,
            bases={base: MEASURES[base] for base in bases},
            every_evaluation=False,
        )


@hookimpl
def ltbench_backbones(register: Register) -> None:
    """Register the field's backbones; every other timm model is known by its own name."""
    register(
        "digits-cnn",
        "ltbench.models.digits_cnn:DigitsCNN",
        summary="Four 3×3 convolutions with GroupNorm, 128 features",
    )
    register(
        "digits-cnn-narrow",
        "ltbench.models.digits_cnn:NarrowDigitsCNN",
        summary="The same at half the width, 64 features",
    )
    register(
        "resnet32",
        "ltbench.models.cifar_resnet:CifarResNet32",
        summary="ResNet-32 of the CIFAR literature, option-A shortcuts, 64 features",
    )
    for name, summary in (
        ("resnet18", "ResNet-18 (weights of torchvision's first release)"),
        ("resnet50", "ResNet-50 (weights of torchvision's first release)"),
        ("mobilenetv2_100", "MobileNetV2"),
        ("resnetv2_50", "ResNet-50 with pre-activation"),
        ("vit_base_patch16_224", "Vision transformer, base, patches of 16"),
        ("convnext_base", "ConvNeXt, base"),
    ):
        register(name, f"ltbench.models.named:{name}", summary=summary)


@hookimpl
def ltbench_augmentations(register: Register) -> None:
    """Register the absence of augmentation."""
    target = "ltbench.plugins.augmentation:NoAugmentation"
    register("none", target, summary="Images as they are")


@hookimpl
def ltbench_observers(register: Register) -> None:
    """Register the displays of progress."""
    progress = "ltbench.session.progress"
    register("bars", f"{progress}:Bars", summary="Progress in a terminal, a bar for every run")
    register("lines", f"{progress}:Lines", summary="Progress as lines, for files and pipes")


@hookimpl
def ltbench_tables(register: Register) -> None:
    """Register the tables that belong to the statistics of every report."""
    summary = "ANOVA of each metric: classical, Welch's and calibrated"
    register("anova", "ltbench.report.anova:Anova", summary=summary)
    summary = "Methods × unseen domains with their mean, as in papers"
    register("unseen", "ltbench.report.unseen_table:Unseen", summary=summary)


@hookimpl
def ltbench_executors(register: Register) -> None:
    """Register the executor that runs on this machine."""
    register(
        "local",
        "ltbench.executors.local:LocalExecutor",
        summary="Worker processes on this machine that stay up from run to run",
    )
