"""What no check of files can find, said with every verdict."""

from __future__ import annotations

LIMITS = (
    "Training on test images: a model that has seen them answers as a better one would.",
    "Choosing seeds: of many that were trained, the best may have been handed in.",
    "Tuning on the test: settings that were chosen by test scores look like any others.",
    "Forged logits: who makes up logits, answers, scores and log so that they agree passes every "
    "check of files; only a run that is trained again shows it.",
    "One seed under another number, where the seed that it was is not handed in: only a run that "
    "is trained again shows it.",
    "Times, memory, sizes and devices: they are printed as they were handed in.",
)
