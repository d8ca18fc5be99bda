"""MLDG and Fish work on all parameters at once; here is what loops over them give."""

from __future__ import annotations

import pytest
import torch
from ltbench_domains.episodes import shuffled_domains
from ltbench_domains.fish import Fish
from ltbench_domains.mldg import MLDG
from torch import nn

from ltbench.results.protocol import Protocol
from ltbench.testing import SmallBackbone, random_batch, train_info
from ltbench.training.optimizers import optimizer_maker


class LoopedMLDG(MLDG):
    """MLDG parameter by parameter, with a new optimiser for every inner step."""

    def step(self, batch):
        parameters = list(self.parameters())
        start = [p.detach().clone() for p in parameters]
        gathered = [torch.zeros_like(p) for p in parameters]
        domains = shuffled_domains(batch, self.generator)
        risks = []
        for train, test in zip(domains, domains[1:] + domains[:1], strict=True):
            for domain, factor in ((train, 1.0), (test, self.hparams.beta)):
                risk = self.risks(self.predict(domain.x), domain).mean()
                found = torch.autograd.grad(risk, parameters, allow_unused=True)
                for total, gradient in zip(gathered, found, strict=True):
                    if gradient is not None:
                        total.add_(gradient, alpha=factor / len(domains))
                risks.append(risk.detach())
                if domain is train:
                    inner = self.make(parameters)
                    for parameter, gradient in zip(parameters, found, strict=True):
                        parameter.grad = gradient
                    inner.step()
            for parameter, value in zip(parameters, start, strict=True):
                parameter.data.copy_(value)
        for parameter, gradient in zip(parameters, gathered, strict=True):
            parameter.grad = gradient
        self.optimizers["main"].step()
        train, test = torch.stack(risks).view(-1, 2).mean(0)
        return {"total": train + self.hparams.beta * test}


class LoopedFish(Fish):
    """Fish parameter by parameter."""

    def step(self, batch):
        start = [p.detach().clone() for p in self.parameters()]
        risks = []
        for domain in shuffled_domains(batch, self.generator):
            risk = self.risks(self.predict(domain.x), domain).mean()
            self.minimize(risk)
            risks.append(risk.detach())
        for parameter, value in zip(self.parameters(), start, strict=True):
            parameter.data.copy_(value + self.hparams.meta_lr * (parameter.data - value))
        return {"total": torch.stack(risks).mean()}


PROTOCOLS = {
    "adam": {"optimizer": "adam", "weight_decay": 0.1},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.5},
    "sgd": {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
    "plain sgd": {"optimizer": "sgd", "momentum": 0.0},
    "timm's": {"optimizer": "lamb", "weight_decay": 0.1},
    "clipped": {"optimizer": "adam", "grad_clip": 0.1},
}


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize(("cls", "loop"), [(MLDG, LoopedMLDG), (Fish, LoopedFish)])
def test_steps_are_those_of_loops(cls: type, loop: type, name: str) -> None:
    protocol, info = Protocol(lr=0.01, **PROTOCOLS[name]), train_info()
    models = []
    for kind in (cls, loop):
        torch.manual_seed(0)
        # In evaluation mode: what batch normalisation takes away has a gradient of rounding
        # errors, which Adam makes as large as any.
        model = kind(SmallBackbone(info.image_shape), info, cls.HParams()).eval()
        model.unused = nn.Parameter(torch.ones(3))
        model.optimizers = model.configure_optimizers(optimizer_maker(protocol, model))
        models.append(model)
    for seed in range(3):
        batch = random_batch(info, seed=seed)
        totals = []
        for model in models:
            model.generator.manual_seed(seed)
            found = model.step(batch)
            totals.append(found["total"])
        torch.testing.assert_close(*totals)
    for key, value in models[0].state_dict().items():
        torch.testing.assert_close(value, models[1].state_dict()[key], rtol=1e-4, atol=1e-5)
