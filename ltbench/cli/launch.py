"""From the options of ``run`` and ``tune`` to a request, slots, an executor and its jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ltbench.data.locations import data_folder
from ltbench.data.store import store_folder
from ltbench.errors import UsageError
from ltbench.executors.base import Executor
from ltbench.executors.machine import choose_precision, cores, make_slots
from ltbench.executors.slots import Slots
from ltbench.plugins.hparams import HParams
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, parse_name
from ltbench.training.job import Job
from ltbench.training.plan import Plan, Request

_OVERRIDES = {"steps": "steps", "batch_size": "batch_per_domain", "lr": "lr", "select": "select"}


class Launch:
    """The executor that the options name, and what it is given.

    Attributes:
        device: what runs compute on: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        """Resolve the executor and the device.

        Raises:
            UsageError: there is no such executor or device, or its settings are not possible.
        """
        self.options = options
        name = _executor_name(options["executor"], options.get("ray_address"))
        self._kind: type[Executor] = get_plugins()["executors"].get(name.name).load()
        self._settings: HParams = self._kind.HParams.from_options(name.options, name.name)
        self.device = self._kind.choose_device(options["device"], self._settings)

    def request(
        self, algos: Sequence[str], datasets: Sequence[str], seeds: Sequence[int]
    ) -> Request:
        """Return the request for these algorithms under the protocol that the options ask for."""
        options = self.options
        given = {key: options[name] for name, key in _OVERRIDES.items()}
        return Request(
            algos=algos,
            datasets=datasets,
            seeds=seeds,
            precision=choose_precision(options["precision"], self.device),
            data_dir=data_folder(options["data_dir"]),
            overrides={key: value for key, value in given.items() if value is not None},
            protocol=options["protocol"],
            backbone=options["backbone"],
            pretrained=options["pretrained"],
            weights=options["weights"],
        )

    def slots(self, runs: int) -> Slots:
        """Return how ``runs`` runs share the machine."""
        return make_slots(self.device, self.options["jobs"], runs, self.options["jobs_per_device"])

    def executor(self, slots: Slots) -> Executor:
        """Return the executor."""
        return self._kind(slots, self._settings)

    def jobs(
        self, request: Request, plan: Plan, slots: Slots, out: Path, costs: Sequence[float]
    ) -> list[Job]:
        """Return a job for each run of the plan.

        Args:
            request: what was asked for.
            plan: the runs.
            slots: how they share the machine.
            out: the folder of the runs.
            costs: how long each takes; the longest go first.
        """
        threads = max(1, cores() // len(slots.devices))
        out = out.resolve()
        stores = {split.sha256: store_folder(dataset, split) for dataset, split in plan.datasets}
        return [
            Job(
                spec,
                spec.folder(out),
                request.data_dir,
                slots.devices[0],
                threads,
                request.weights,
                stores[spec.split],
                cost=cost,
                timeout=self.options["timeout"],
            )
            for spec, cost in zip(plan.specs, costs, strict=True)
        ]


def _executor_name(executor: str, ray_address: str | None) -> Name:
    name = parse_name(executor)
    if ray_address is None:
        return name
    if name.name not in ("local", "ray"):
        raise UsageError(f"--ray-address has no meaning for --executor {name.name}: leave it out")
    return Name("ray", {**name.options, "address": ray_address})
