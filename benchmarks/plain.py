"""Training as an ordinary script does it, to compare with: float32, a loader a domain, a loop.

Each function of :data:`LOSSES` is a published method in the way that code bases of papers write it:
the network on all images at once, then Python over the domains. They are for timing; what ltbench
trains is in ``plugins/``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import combinations

import torch
from torch import Tensor, autograd, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from ltbench.models.digits_cnn import DigitsCNN

MiniBatches = list[tuple[Tensor, Tensor]]


class Plain:
    """A network, an optimiser and a loader for each domain.

    Args:
        backbone: gives features, (n, F) of images.
        x: all training images, (N, 3, H, W) in uint8.
        y: their classes, (N,).
        d: their domains, (N,).
        batch: images of a domain in a step.
        lr: learning rate of Adam.
    """

    def __init__(
        self, backbone: DigitsCNN, x: Tensor, y: Tensor, d: Tensor, *, batch: int, lr: float
    ) -> None:
        self.features, self.domains = backbone, int(d.max()) + 1
        self.classes, width = int(y.max()) + 1, backbone.num_features
        self.classifier = nn.Linear(width, self.classes)
        self.discriminator = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, self.domains)
        )
        self.network = nn.Sequential(self.features, self.classifier)
        pairs = d * self.classes + y
        self.counts = torch.bincount(pairs, minlength=self.domains * self.classes).float()
        self.counts = self.counts.view(self.domains, self.classes)
        self.weights = torch.ones(self.domains)
        self.centroids = torch.zeros(self.domains * self.classes, width)
        self.mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        self.std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        self.loaders = [self._forever(x[d == k], y[d == k], batch) for k in range(self.domains)]
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr)
        self.adversary = torch.optim.Adam(self.discriminator.parameters(), lr)

    @staticmethod
    def _forever(x: Tensor, y: Tensor, batch: int) -> Iterator[list[Tensor]]:
        data = TensorDataset(x, y)
        drawn = RandomSampler(data, replacement=True, num_samples=1_000_000)
        return iter(DataLoader(data, batch, sampler=drawn))

    def normalise(self, images: Tensor) -> Tensor:
        return (images / 255 - self.mean) / self.std

    def step(self, loss: Callable[[Plain, MiniBatches], Tensor | None]) -> None:
        """Take one step; a function that returns no loss takes it by itself."""
        batches = [(self.normalise(x), y) for x, y in (next(each) for each in self.loaders)]
        value = loss(self, batches)
        if value is None:
            return
        self.optimizer.zero_grad()
        value.backward()
        self.optimizer.step()
        value.item()  # what scripts print

    @torch.no_grad()
    def accuracy(self, x: Tensor, y: Tensor, d: Tensor, batch: int) -> list[float]:
        """Return the accuracy on each domain, looking at ``batch`` images at a time."""
        self.network.eval()
        found = []
        for k in range(self.domains):
            right = total = 0
            for images, classes in DataLoader(TensorDataset(x[d == k], y[d == k]), batch):
                answers = self.network(self.normalise(images)).argmax(1)
                right += (answers == classes).sum().item()
                total += len(classes)
            found.append(right / total)
        self.network.train()
        return found


def _joined(batches: MiniBatches) -> tuple[Tensor, Tensor]:
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


def erm(self: Plain, batches: MiniBatches) -> Tensor:
    x, y = _joined(batches)
    return F.cross_entropy(self.network(x), y)


def focal(self: Plain, batches: MiniBatches) -> Tensor:
    x, y = _joined(batches)
    nll = F.cross_entropy(self.network(x), y, reduction="none")
    return ((1 - torch.exp(-nll)) * nll).mean()


def reweight(self: Plain, batches: MiniBatches) -> Tensor:
    x, _ = _joined(batches)
    logits, loss, start = self.network(x), torch.zeros(()), 0
    for k, (_, y) in enumerate(batches):
        weight = 1 / self.counts[k].clamp(min=1)
        weight = weight / weight.sum() * self.classes
        loss = loss + F.cross_entropy(logits[start : start + len(y)], y, weight=weight)
        start += len(y)
    return loss / len(batches)


def bsoftmax(self: Plain, batches: MiniBatches) -> Tensor:
    x, _ = _joined(batches)
    logits, loss, start = self.network(x), torch.zeros(()), 0
    for k, (_, y) in enumerate(batches):
        prior = self.counts[k].unsqueeze(0).expand(len(y), -1)
        loss = loss + F.cross_entropy(logits[start : start + len(y)] + prior.log(), y)
        start += len(y)
    return loss / len(batches)


def ldam(self: Plain, batches: MiniBatches) -> Tensor:
    x, _ = _joined(batches)
    logits, loss, start = self.network(x), torch.zeros(()), 0
    for k, (_, y) in enumerate(batches):
        margins = 1 / self.counts[k].clamp(min=1).sqrt().sqrt()
        margins = margins * (0.5 / margins.max())
        own = logits[start : start + len(y)]
        index = torch.zeros_like(own, dtype=torch.bool).scatter_(1, y.view(-1, 1), True)
        shifted = torch.where(index, own - margins[y].view(-1, 1), own)
        loss = loss + F.cross_entropy(30 * shifted, y)
        start += len(y)
    return loss / len(batches)


def irm(self: Plain, batches: MiniBatches) -> Tensor:
    x, _ = _joined(batches)
    logits, nll, penalty, start = self.network(x), torch.zeros(()), torch.zeros(()), 0
    for _, y in batches:
        own = logits[start : start + len(y)]
        start += len(y)
        nll = nll + F.cross_entropy(own, y)
        scale = torch.tensor(1.0).requires_grad_()
        even = F.cross_entropy(own[::2] * scale, y[::2])
        odd = F.cross_entropy(own[1::2] * scale, y[1::2])
        one = autograd.grad(even, [scale], create_graph=True)[0]
        other = autograd.grad(odd, [scale], create_graph=True)[0]
        penalty = penalty + (one * other).sum()
    return (nll + 100 * penalty) / len(batches)


def vrex(self: Plain, batches: MiniBatches) -> Tensor:
    x, _ = _joined(batches)
    logits, losses, start = self.network(x), torch.zeros(len(batches)), 0
    for k, (_, y) in enumerate(batches):
        losses[k] = F.cross_entropy(logits[start : start + len(y)], y)
        start += len(y)
    mean = losses.mean()
    return mean + 10 * ((losses - mean) ** 2).mean()


def groupdro(self: Plain, batches: MiniBatches) -> Tensor:
    losses = torch.zeros(len(batches))
    for k, (x, y) in enumerate(batches):
        losses[k] = F.cross_entropy(self.network(x), y)
        self.weights[k] *= (0.01 * losses[k].data).exp()
    self.weights /= self.weights.sum()
    return torch.dot(losses, self.weights)


def mixup(self: Plain, batches: MiniBatches) -> Tensor:
    loss, order = torch.zeros(()), torch.randperm(len(batches)).tolist()
    pairs = [(order[i], order[(i + 1) % len(order)]) for i in range(len(order))]
    for a, b in pairs:
        (x1, y1), (x2, y2) = batches[a], batches[b]
        share = torch.distributions.Beta(0.2, 0.2).sample().item()
        logits = self.network(share * x1 + (1 - share) * x2)
        loss = loss + share * F.cross_entropy(logits, y1)
        loss = loss + (1 - share) * F.cross_entropy(logits, y2)
    return loss / len(batches)


def _alignment(
    self: Plain, batches: MiniBatches, distance: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    features = [self.features(x) for x, _ in batches]
    logits = [self.classifier(each) for each in features]
    number = len(batches)
    loss, penalty = torch.zeros(()), torch.zeros(())
    for k, (_, y) in enumerate(batches):
        loss = loss + F.cross_entropy(logits[k], y)
    for a, b in combinations(range(number), 2):
        penalty = penalty + distance(features[a], features[b])
    return loss / number + penalty / (number * (number - 1) / 2)


def _coral(x: Tensor, y: Tensor) -> Tensor:
    mean_x, mean_y = x.mean(0, keepdim=True), y.mean(0, keepdim=True)
    cent_x, cent_y = x - mean_x, y - mean_y
    cova_x = (cent_x.t() @ cent_x) / (len(x) - 1)
    cova_y = (cent_y.t() @ cent_y) / (len(y) - 1)
    return (mean_x - mean_y).pow(2).mean() + (cova_x - cova_y).pow(2).mean()


def coral(self: Plain, batches: MiniBatches) -> Tensor:
    return _alignment(self, batches, _coral)


def mmd(self: Plain, batches: MiniBatches) -> Tensor:
    def kernel(x: Tensor, y: Tensor) -> Tensor:
        squares = torch.cdist(x, y).pow(2)
        total = torch.zeros_like(squares)
        for gamma in (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0):
            total = total + torch.exp(squares * -gamma)
        return total.mean()

    return _alignment(self, batches, lambda x, y: kernel(x, x) + kernel(y, y) - 2 * kernel(x, y))


def dann(self: Plain, batches: MiniBatches) -> Tensor:
    x, y = _joined(batches)
    domains = torch.cat([torch.full((len(y),), k) for k, (_, y) in enumerate(batches)])
    features = self.features(x)
    found = F.cross_entropy(self.discriminator(features.detach()), domains)
    self.adversary.zero_grad()
    found.backward()
    self.adversary.step()
    adversarial = F.cross_entropy(self.discriminator(features), domains)
    return F.cross_entropy(self.classifier(features), y) - 0.1 * adversarial


def mldg(self: Plain, batches: MiniBatches) -> None:
    number, objective = len(batches), 0.0
    self.optimizer.zero_grad()
    for p in self.network.parameters():
        p.grad = torch.zeros_like(p)
    order = torch.randperm(number).tolist()
    for a, b in [(order[i], order[(i + 1) % number]) for i in range(number)]:
        (xi, yi), (xj, yj) = batches[a], batches[b]
        inner = copy.deepcopy(self.network)
        inner_optimizer = torch.optim.Adam(inner.parameters(), 1e-3)
        inner_loss = F.cross_entropy(inner(xi), yi)
        inner_optimizer.zero_grad()
        inner_loss.backward()
        inner_optimizer.step()
        for target, source in zip(self.network.parameters(), inner.parameters(), strict=True):
            if source.grad is not None:
                target.grad.data.add_(source.grad.data / number)
        objective += inner_loss.item()
        outer = F.cross_entropy(inner(xj), yj)
        grads = autograd.grad(outer, list(inner.parameters()), allow_unused=True)
        for p, g in zip(self.network.parameters(), grads, strict=True):
            if g is not None:
                p.grad.data.add_(g.data / number)
    self.optimizer.step()


def fish(self: Plain, batches: MiniBatches) -> None:
    inner = copy.deepcopy(self.network)
    optimizer = torch.optim.Adam(inner.parameters(), 1e-3)
    for x, y in batches:
        loss = F.cross_entropy(inner(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    now, then = self.network.state_dict(), inner.state_dict()
    self.network.load_state_dict({k: now[k] + 0.05 * (then[k] - now[k]) for k in now})


def boda(self: Plain, batches: MiniBatches) -> Tensor:
    """A step after the warm-up; the centroids are not moved here."""
    x, y = _joined(batches)
    features = self.features(x)
    counts, classes = self.counts.view(-1), self.classes
    total, macro, parts, start = torch.zeros(()), torch.zeros(()), [], 0
    for k, (_, own) in enumerate(batches):
        part = features[start : start + len(own)]
        start += len(own)
        parts.append(part)
        index = k * classes + own
        size = counts[index].clamp(min=1).view(-1, 1)
        logits = -torch.cdist(part, self.centroids) / size * (counts.view(1, -1) / size).sqrt()
        others = counts.repeat(len(own), 1) > 0
        others[torch.arange(len(own)), index] = False
        same = torch.zeros_like(logits)
        for other in range(len(batches)):
            same[torch.arange(len(own)), other * classes + own] = 1
        same = same * others
        log_p = logits - logits.masked_fill(~others, -torch.inf).logsumexp(1, keepdim=True)
        total = total - (log_p * same).sum() / same.sum().clamp(min=1)
    for one, other in combinations(parts, 2):
        macro = macro + _coral(one, other)
    return F.cross_entropy(self.classifier(features), y) + 0.1 * total / len(parts) + macro


LOSSES: dict[str, Callable[[Plain, MiniBatches], Tensor | None]] = {
    each.__name__: each
    for each in (
        erm, focal, reweight, bsoftmax, ldam, irm, vrex, groupdro,
        mixup, coral, mmd, dann, mldg, fish, boda,
    )
}  # fmt: skip
