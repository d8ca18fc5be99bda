"""What a classifier starts from: the mean features of the classes, or their names.

It is done when a stage begins, before its first step. A run that is resumed has the classifier in
its checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.errors import UsageError
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.class_texts import ClassTexts
from ltbench.plugins.head import Head
from ltbench.plugins.stage import Stage
from ltbench.plugins.training import FeaturePass

_SHOWN = 5  # names in a sentence
_AT_A_TIME = 8192  # features


def check_made(model: Algorithm, head: Head, name: str) -> None:
    """Check that a model has the classifier that a backbone's options ask for.

    Algorithms that say that theirs is their own were refused before; one that puts another in its
    place without a word is refused here.

    Args:
        model: of the first stage.
        head: what is asked for.
        name: of the algorithm.

    Raises:
        UsageError: it has another one.
    """
    if head.asked and fresh_classifier(model) is None:
        raise UsageError(
            f"'{name}' has a classifier of its own, which {head.asked} cannot be: leave one of "
            "them out"
        )


def fresh_classifier(model: Algorithm) -> nn.Module | None:
    """Return the classifier of a model where it is as :meth:`Algorithm.make_classifier` made it.

    It may be that of the loss that a method trains with; that of the stage before is none.
    """
    before = set(model.base.modules()) if isinstance(model, Stage) else set()
    own = [one for one in model.modules() if isinstance(one, Algorithm) and one not in before]
    made = [one.made_classifier for one in own]
    return next((one for one in made if one is model.classifier), None)


def start_classifier(
    model: Algorithm,
    features: Callable[[], FeaturePass],
    texts: Callable[[str], ClassTexts],
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Give a fresh classifier the weights that the backbone's options say it starts from.

    The weight vector of a class gets unit length: the direction of the mean feature of its training
    images, of all domains, without augmentation; or of its name's feature, brought to the features
    of images by the transpose of CLIP's projection. LIFT starts so (Shi et al., ICML 2024,
    arXiv:2309.10019, section 4.3). Biases start from 0. A class without training images has no mean
    feature and keeps the random direction that it was drawn.

    Args:
        model: whose stage begins, on its device.
        features: returns the model's features of the training images.
        texts: returns what the text tower says of the classes, for a prompt.
        say: is told in a sentence of classes without images.

    Raises:
        UsageError: features are not of the length that the classifier takes.
    """
    head, classifier = model.train_info.head, fresh_classifier(model)
    if head.init == "random" or classifier is None:
        return
    weight = classifier.weight
    assert isinstance(weight, nn.Parameter)
    if head.init == "text":
        directions = text_directions(texts(head.prompt))
        known = torch.ones(len(directions), dtype=torch.bool)
    else:
        found = features()
        directions, known = mean_directions(found.features, found.y, len(weight))
    if directions.shape != weight.shape:
        raise UsageError(
            f"init={head.init} gives weight vectors of {directions.shape[1]} numbers, and the "
            f"classifier takes features of {weight.shape[1]}: leave init out"
        )
    if not bool(known.all()):
        say(_without_images([model.train_info.classes[c] for c in (~known).nonzero().flatten()]))
    with torch.no_grad():
        directions, known = directions.to(weight), known.to(weight.device)
        weight.copy_(torch.where(known[:, None], directions, F.normalize(weight)))
        if isinstance(bias := getattr(classifier, "bias", None), Tensor):
            bias.zero_()


def mean_directions(features: Tensor, y: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return the directions of classes' mean features, (C, F), and which classes have images, (C,).

    Args:
        features: (N, F), of any device; the sums are of float64 on the CPU, in the images' order.
        y: classes, (N,).
        classes: how many there are.
    """
    sums = torch.zeros(classes, features.shape[1], dtype=torch.float64)
    for first in range(0, len(y), _AT_A_TIME):
        part = slice(first, first + _AT_A_TIME)
        sums.index_add_(0, y[part].cpu(), features[part].detach().cpu().double())
    images = torch.bincount(y.cpu(), minlength=classes)
    return F.normalize(sums / images.clamp(min=1)[:, None]), images > 0


def text_directions(texts: ClassTexts) -> Tensor:
    """Return the directions (C, F) of classes' names among the features of images.

    A name's feature t in the shared space has the same product with an image's feature there, P·f,
    as Pᵀ·t has with f.
    """
    return F.normalize(texts.features @ texts.projection)


def _without_images(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"init=class-mean has no training images of {shown}{more}: their weight vectors start from "
        "a random direction"
    )
