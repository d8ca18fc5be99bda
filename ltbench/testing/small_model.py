"""Small models, training sets and batches, for tests of one algorithm at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.backbone import Backbone
from ltbench.plugins.batch import Batch, TrainInfo
from ltbench.plugins.class_texts import ClassTexts
from ltbench.plugins.modifier import Modifier
from ltbench.plugins.names import parse_name
from ltbench.plugins.resolve import MODIFIERS, resolve
from ltbench.plugins.stage import Stage
from ltbench.plugins.training import Change, Training
from ltbench.results.protocol import Protocol
from ltbench.testing.small_data import COUNTS, SIZE
from ltbench.training.batch_norm import estimate_statistics
from ltbench.training.optimizers import optimizer_maker

_SECOND = 1 << 20  # from the seed of a batch to that of its second
_SHARED = 16  # numbers in a feature of the space of images and texts


class SmallBackbone(Backbone):
    """One convolution, batch normalisation and a pool: 32 features of an image of any size."""

    num_features = 32

    def __init__(self, image_shape: tuple[int, int, int], pretrained: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(image_shape[0], 8, 3, stride=2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (N, 32) of the images ``x``."""
        features: Tensor = self.layers(x)
        return features


class SmallTraining(Training):
    """Answers an algorithm's request for features with those of the images given.

    Args:
        model: whose features.
        images: stands for the training as for the validation images.
        initial: the state that the model had before training; by default the present one.

    Attributes:
        said: the sentences that the model had to say.
    """

    def __init__(
        self, model: Algorithm, images: Batch, initial: Mapping[str, Tensor] | None = None
    ) -> None:
        self.model, self.images, self.initial = model, images, initial
        self.features, self.y, self.d = torch.empty(0), images.y, images.d
        self.logits = torch.empty(0)
        self.said: list[str] = []

    def extract_features(self, part: str) -> SmallTraining:
        """Return features, classes and domains, with the model in evaluation mode meanwhile."""
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad():
            self.features = self.model.features(self.images.x)
        self.model.train(was_training)
        return self

    def extract_logits(self, part: str) -> SmallTraining:
        """Return logits, classes and domains, with the model in evaluation mode meanwhile."""
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad():
            self.logits = self.model.predict(self.images.x)
        self.model.train(was_training)
        return self

    def initial_state(self) -> Mapping[str, Tensor]:
        """Return the state that was given."""
        state = self.model.state_dict() if self.initial is None else self.initial
        return {name: value.clone() for name, value in state.items()}

    def estimate_batch_norm(self) -> None:
        """Estimate the statistics anew from the images."""
        for module in self.model.modules():
            module.training = isinstance(module, nn.modules.batchnorm._BatchNorm)
        estimate_statistics(self.model, [self.images.x])
        self.model.train()

    def say(self, sentence: str) -> None:
        """Keep the sentence."""
        self.said.append(sentence)

    def train_labels(self) -> tuple[Tensor, Tensor]:
        """Return classes and domains of the images."""
        return self.y, self.d

    @torch.no_grad()
    def predict_augmented(
        self, places: Tensor, change: Change, generator: torch.Generator
    ) -> Tensor:
        """Return logits of some of the images, whose values are squeezed between 0 and 1."""
        was_training = self.model.training
        self.model.eval()
        everything = torch.arange(len(places), device=places.device)
        found = self.model.predict(change(self.images.x[places].sigmoid(), everything))
        self.model.train(was_training)
        return found

    def class_texts(self, prompt: str) -> ClassTexts:
        """Return random features of the classes, and a random projection of those of images."""
        drawn = torch.Generator().manual_seed(len(prompt))
        classes, length = self.model.train_info.num_classes, self.model.num_features
        texts = torch.randn(classes, _SHARED, generator=drawn)
        projection = torch.randn(_SHARED, length, generator=drawn) / length**0.5
        return ClassTexts(F.normalize(texts), projection, 100.0)


def train_info(
    counts: Sequence[Sequence[int]] = COUNTS, *, steps: int = 5, batch_per_domain: int = 4
) -> TrainInfo:
    """Return the facts of a training set with these images per domain and class.

    Args:
        counts: (D, C).
        steps: optimisation steps of the stage.
        batch_per_domain: images per domain in a batch.
    """
    table = torch.tensor(counts)
    return TrainInfo(
        counts=table,
        domains=tuple(f"domain {d}" for d in range(table.shape[0])),
        classes=tuple(map(str, range(table.shape[1]))),
        many=8,
        few=3,
        steps=steps,
        batch_per_domain=batch_per_domain,
        image_shape=(3, SIZE, SIZE),
    )


def build_algorithm(name: str, info: TrainInfo, *, seed: int = 0) -> Algorithm:
    """Return a registered algorithm, ``name[key=value,…]``, on the small backbone.

    Raises:
        UsageError: there is no such algorithm or hyper-parameter.
    """
    torch.manual_seed(seed)
    parsed = parse_name(name)
    cls, hparams = resolve("algorithms", parsed.name, parsed.options)
    return ready(cls(SmallBackbone(info.image_shape), info, hparams), seed)


def build_stage(name: str, base: Algorithm, *, seed: int = 0) -> Stage:
    """Return a registered stage, ``name[key=value,…]``, on top of ``base``.

    Raises:
        UsageError: there is no such stage or hyper-parameter, or it cannot stand on ``base``.
    """
    torch.manual_seed(seed)
    parsed = parse_name(name)
    cls, hparams = resolve("stages", parsed.name, parsed.options)
    stage: Stage = cls(base, base.train_info, hparams)
    ready(stage, seed)
    return stage


def build_modifier(name: str, model: Algorithm) -> Modifier:
    """Return a registered modifier, ``name[key=value,…]``, of the training of ``model``.

    Raises:
        UsageError: there is no such modifier or hyper-parameter.
    """
    parsed = parse_name(name)
    cls, hparams = resolve(MODIFIERS, parsed.name, parsed.options)
    modifier: Modifier = cls(model, hparams)
    return modifier


def ready(model: Algorithm, seed: int = 0) -> Algorithm:
    """Give a model its generator and its optimisers, Adam with the learning rate 1e-2."""
    model.generator = torch.Generator().manual_seed(seed)
    protocol = Protocol.from_options({"lr": 1e-2}, "protocol")
    model.optimizers = model.configure_optimizers(optimizer_maker(protocol))
    return model.train()


def random_batch(
    info: TrainInfo,
    *,
    classes: Sequence[int] | None = None,
    seed: int = 0,
    views: int = 1,
    second: bool = False,
) -> Batch:
    """Return random images of every domain, of classes that the domain has.

    Args:
        info: of the training set.
        classes: only these.
        seed: of the draw.
        views: of each image; those after the first are the image with noise.
        second: whether there is a second batch, of as many views.
    """
    generator = torch.Generator().manual_seed(seed)
    number = info.batch_per_domain
    weights = (info.counts > 0).float()
    if classes is not None:
        chosen = torch.zeros_like(weights)
        chosen[:, list(classes)] = 1
        weights *= chosen
    y = weights.multinomial(number, replacement=True, generator=generator).flatten()
    d = torch.arange(info.num_domains).repeat_interleave(number)
    x = torch.randn(len(y), *info.image_shape, generator=generator)
    further = [x + 0.3 * torch.randn(x.shape, generator=generator) for _ in range(1, views)]
    other = None
    if second:
        other = random_batch(info, classes=classes, seed=seed + _SECOND, views=views)
    return Batch(x, y, d, views=(x, *further), second=other)


def random_batch_for(
    model: Algorithm, *, classes: Sequence[int] | None = None, seed: int = 0
) -> Batch:
    """Return a :func:`random_batch` with the views and the second batch that a model asks for."""
    return random_batch(
        model.train_info,
        classes=classes,
        seed=seed,
        views=len(type(model).view_augmentations(model.hparams)),
        second=bool(model.second_sampling),
    )


def take_steps(model: Algorithm, batches: Sequence[Batch]) -> list[dict[str, float]]:
    """Take one step per batch as the training loop does, and return the losses of each.

    A model without optimisers, a stage that is not trained, is prepared and takes no step.
    """
    losses = []
    for step, batch in enumerate(batches):
        torch.manual_seed(step)
        model.generator.manual_seed(step)
        model.before_step(step, SmallTraining(model, batch))
        if not model.optimizers:
            break
        losses.append({name: float(value) for name, value in model.step(batch).items()})
    return losses
