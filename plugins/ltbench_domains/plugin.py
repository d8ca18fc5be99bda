"""Registers the algorithms of this package."""

from __future__ import annotations

from ltbench.api import Register, hookimpl

ALGORITHMS = {
    "cdann": ("cdann:CDANN", "Domain-adversarial training given the class, classes balanced"),
    "coral": ("coral:CORAL", "Aligns means and covariances of the domains' features"),
    "dann": ("dann:DANN", "Domain-adversarial training with a discriminator"),
    "eqrm": ("eqrm:EQRM", "Minimises a quantile of the domains' risks"),
    "fish": ("fish:Fish", "Gradient matching: walks through the domains, then moves toward there"),
    "fishr": ("fishr:Fishr", "Matches the variances of the domains' gradients"),
    "groupdro": ("groupdro:GroupDRO", "Weights the worst domains or domain-class pairs most"),
    "irm": ("irm:IRM", "Invariant risk minimisation: one classifier optimal in every domain"),
    "lisa": ("lisa:LISA", "Mixes images of one class across domains, or of one domain"),
    "miro": ("miro:MIRO", "Keeps the network's layers near those that it started from"),
    "mixup": ("mixup:Mixup", "Mixes images of random pairs of domains"),
    "mldg": ("mldg:MLDG", "Meta-learning: steps on one domain that also help the next"),
    "mmd": ("mmd:MMD", "Aligns the domains' features by maximum mean discrepancy"),
    "mtl": ("mtl:MTL", "The classifier also sees an embedding of the domain"),
    "rsc": ("rsc:RSC", "Self-challenging: mutes the features an image is recognised by"),
    "sagnet": ("sagnet:SagNet", "Style-agnostic: randomises style and unlearns it"),
    "sd": ("sd:SD", "Spectral decoupling: penalises the squared logits"),
    "urm": ("urm:URM", "Uniform risk minimisation: makes features uniformly distributed"),
    "vrex": ("vrex:VREx", "Penalises the variance of the domains' risks"),
}


@hookimpl
def ltbench_algorithms(register: Register) -> None:
    """Register the domain algorithms."""
    for name, (target, summary) in ALGORITHMS.items():
        register(name, f"ltbench_domains.{target}", summary=summary)
