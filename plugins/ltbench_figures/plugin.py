"""Registers the figures of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl


@hookimpl
def ltbench_figures(register: Register) -> None:
    """Register the figures."""
    for name, module, summary in (
        ("distribution", "distribution", "Training images of each class and domain"),
        ("violin", "violin", "Average and worst score over methods"),
        ("heatmap", "heatmap", "Score of each domain and class"),
        ("confusion", "confusion", "Which classes are taken for which, counts and shares"),
        ("tsne", "tsne", "Test features, by class above and by domain below"),
        ("convergence", "convergence", "Loss and validation score over steps"),
        ("sensitivity", "sensitivity", "Scores over one hyper-parameter at a time"),
        ("cd", "critical_difference", "Critical differences of mean ranks across data sets"),
        ("budget", "budget", "Best scores against the number of trials of tuning"),
        ("priors", "priors", "Accuracy over the imbalance of the test images' classes"),
        ("transferability", "transferability", "Map of the centroids of domain-class pairs"),
    ):
        register(name, f"ltbench_figures.{module}:draw_{module}", summary=summary)
