"""Finds every example that a ``--help`` or a page prints, and lays out what its reader would have.

A reader of ``ltbench tables ablation --algo brl`` has run the ablation; of ``ltbench data verify
pacs-mlt``, has downloaded PACS. So the folder of an example is made from the example itself: runs
of the methods and data sets that it names, and data sets whose images are there.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import reference
from commands import PAGES, ROOT, Printed, commands, words
from PIL import Image

from ltbench.data.catalogue import open_dataset
from ltbench.data.store import open_store
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, parse_chains
from ltbench.plugins.registry import Entry
from ltbench.plugins.scaffold import write_project
from ltbench.plugins.split import Split
from ltbench.results.folders import read_folders
from ltbench.results.rows import write_rows
from ltbench.session.session import Session
from ltbench.session.submit import submit
from ltbench.testing import write_run, write_study
from ltbench.training.job import Job
from ltbench.training.run import execute

TUTORIALS = ROOT / "docs" / "tutorials"  # followed from first to last by test_tutorials.py
SEEDS = 3
SITE = "site"  # where the reader installs packages
TRAINS = ("run", "race", "tune", "retry", "reproduce")
_EXAMPLE = re.compile(r"^\s+(ltbench .*)$", re.M)
_HASH = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{4,12}\b")
# Named above the block, or in its first line.
_CODE = re.compile(r'^```python(?: title="|\n# )(\w+\.py)"?\n(.*?)^```$', re.M | re.S)


@dataclass(frozen=True)
class Example:
    """A command that a reader may type, and where it stands."""

    place: str
    printed: Printed

    @property
    def line(self) -> str:
        """The command on one line."""
        return self.printed.line

    @property
    def name(self) -> str:
        """The command's own name: the first word that is no option, or value of one."""
        return next(word for word in typed(self.line) if word in reference.program.COMMANDS)


def typed(line: str) -> list[str]:
    """Return the words of an example after ``ltbench``, up to where the shell takes over."""
    return words(line, cut=False)


def examples() -> list[Example]:
    """Return all examples, each once, though several pages may print it."""
    found = [
        Example(str(page.relative_to(ROOT)), printed)
        for page in PAGES
        if page.parent != TUTORIALS or page.stem == "index"
        for printed in commands(page)
        if printed.whole
    ]
    for name, command in _walk(reference.commands(), "ltbench"):
        joined = re.sub(r"\\\n\s*", "", command.help or "")
        found += [
            Example(f"{name} --help", Printed(line.strip())) for line in _EXAMPLE.findall(joined)
        ]
    return list({" ".join(typed(example.line)): example for example in found}.values())


def _walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for sub in getattr(command, "commands", {}).values():
        yield from _walk(sub, f"{name} {sub.name}")


class Readers:
    """The folder of a reader, with what an example speaks of.

    Args:
        folder: an empty folder, which stands for ``~`` and for the root of the file system too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def words(self, example: Example) -> list[str]:
        """Return what is typed after ``ltbench``: paths lie here, and hashes are those of a run."""
        line = re.sub(r"(?<![\w.])/(data|mnt)\b", rf"{self.folder}/\1", example.line)
        line = line.replace("~/", f"{self.folder}/")
        if example.name in ("show", "errors", "predict"):
            folder = next(self.folder.glob("runs/*/erm/*"), None)
            line = _HASH.sub(lambda m: folder.name[: len(m[0])] if folder else m[0], line)
        return typed(line)

    def lay_out(self, example: Example, options: dict[str, Any]) -> None:
        """Make the runs, or decode the images, that the example speaks of.

        Args:
            example: what is to be typed.
            options: of its command, as the program reads them.
        """
        if "hf[path=/data/moths" in example.line:
            self._write_table()
        if "my-" in example.line and "check" in typed(example.line):
            self._install()
        elif "cache" in typed(example.line):
            open_store(*open_dataset(Name("pacs-mlt"), self.folder))
        elif example.name == "retry":
            self._fail(options)
        elif example.name == "soup":
            self._train()
        elif example.name in ("submit", "verify") or options.get("merge"):
            self._hand_in(example, options)
        elif example.name == "export":
            self._train_row(str(options["run"]))
        elif example.name == "predict":
            self._predict(options)
        elif example.name not in (*TRAINS, "data", "plugins"):
            self._run(example, options)

    def write_files(self) -> None:
        """Write what pages print as files, the project's that they name, and someone's images."""
        self._write_images()
        for page in PAGES:
            for name, text in _CODE.findall(page.read_text(encoding="utf-8")):
                (self.folder / name).write_text(text, encoding="utf-8")
        (self.folder / "my_idea.py").write_text(
            "from ltbench.api import Algorithm\n\n\n"
            "class MyIdea(Algorithm):\n    '''Cross-entropy. Source: none.'''\n"
        )
        for page, name in (("sweeps", "sweep.toml"), ("tutorials/protocol", "mine.toml")):
            text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
            found = re.search(r"^```toml[^\n]*\n(.*?)^```$", text, re.M | re.S)
            assert found is not None, page
            (self.folder / name).write_text(found[1], encoding="utf-8")
        for file in (*ROOT.glob("leaderboards/*.toml"), *ROOT.glob("docs/*_readings.py")):
            (self.folder / file.parent.name).mkdir(exist_ok=True)
            shutil.copy(file, self.folder / file.parent.name)
        for tuned in ROOT.glob("leaderboards/.*/"):  # what boards with the best settings tried
            shutil.copytree(tuned, self.folder / "leaderboards" / tuned.name)

    def _write_images(self) -> None:
        rng = np.random.default_rng(0)
        for place, label in itertools.product(("forest", "town"), ("agrotis", "noctua")):
            folder = self.folder / "data" / "moths" / place / label
            folder.mkdir(parents=True)
            for i in range(24):
                pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")

    def _write_table(self) -> None:
        """Put beside someone's images the table that the Hugging Face format has of them."""
        folder = self.folder / "data" / "moths"
        found = sorted(path.relative_to(folder).parts for path in folder.glob("*/*/*.png"))
        lines = [f"{'/'.join(parts)},{parts[1]},{parts[0]}" for parts in found]
        (folder / "metadata.csv").write_text("\n".join(["file_name,label,site", *lines]))

    def _install(self) -> None:
        """Leave what pip leaves of a project of ``ltbench plugins new``, called ``my-package``."""
        project = write_project("algorithm", "my-loss", self.folder)
        project.rename(self.folder / SITE)
        info = self.folder / SITE / "my_package-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[ltbench]\nmy_loss = my_loss.plugin\n")

    def _run(self, example: Example, options: dict[str, Any]) -> None:
        """Write done runs of the methods and data sets that are named, and a failed one."""
        across = example.name == "figures" and options.get("kind") == "cd"
        datasets = _listed(options.get("dataset")) or ["digits-mini-mlt"]
        datasets += ["pacs-mlt", "vlcs-mlt"] if across else []
        chains = [chain for text in _listed(options.get("algo")) for chain in parse_chains(text)]
        if example.name == "errors" and "@" in options["run"]:
            method, _, dataset = options["run"].rpartition("@")
            datasets, chains = [dataset], parse_chains(method)
        elif isinstance(options.get("run"), str) and "/" not in options["run"]:
            chains += [] if _HASH.fullmatch(options["run"]) else parse_chains(options["run"])
        alone = example.name == "tables" or options.get("kind") in ("sensitivity", "convergence")
        if not alone:
            chains += parse_chains("erm,bsoftmax,boda")
        for root in _roots(options):
            if options.get("kind") == "budget":
                write_study(self.folder / root, dataset=datasets[0])
            for dataset, chain in itertools.product(datasets, chains or parse_chains("brl")):
                variants = _variants(example, options, chain)
                cells = itertools.product(variants, _data(example, options), range(SEEDS))
                more = {"backbone": options["backbone"]} if options.get("backbone") else {}
                for variant, data, seed in cells:
                    folder = self._write(root, dataset, variant, seed, options=data, **more)
                    _add_metrics(folder, _listed(options.get("metrics")))
            if example.name in ("status", "clean", "leaderboard"):
                self._write(root, datasets[0], [Name("brl")], 0, error="failed")

    def _write(
        self,
        root: str,
        dataset: str,
        chain: list[Name],
        seed: int,
        *,
        error: str | None = None,
        options: dict[str, Any] | None = None,
        **more: Any,
    ) -> Path:
        first, *stages = chain
        return write_run(
            self.folder / root,
            algo=first.name,
            seed=seed,
            dataset=dataset,
            hparams=first.options,
            label="+".join(map(str, chain)),
            stages=[stage.name for stage in stages],
            error=error,
            options=options,
            classes=5,
            **more,
        )

    def _train(self) -> None:
        """Train for a moment what begins at the same weights: settings of one seed."""
        session = Session(self.folder / "runs", device="cpu", quiet=True)
        for rate in (1e-3, 2e-3):
            plan = session.plan(["erm"], ["digits-mini-mlt"], [0], precision="fp32", steps=1,
                                lr=rate)  # fmt: skip
            for spec in plan.specs:
                job = Job(spec, spec.folder(self.folder / "runs"), self.folder)
                assert "test" in execute(job, lambda _: None, lambda: False)

    def _hand_in(self, example: Example, options: dict[str, Any]) -> None:
        """Train for a moment what is handed in, and hand it in where that has been done."""
        runs = self.folder / "runs"
        for chain in _listed(options.get("algo")) or ["erm", "bsoftmax", "focal"]:
            self._train_row(f"{chain}@digits-mini-mlt")
        given = [options["source"]] if "source" in options else options["runs"]
        for path in (self.folder / place for place in given):
            if path.suffix == ".zip":
                submit(read_folders(runs), path)
            elif path.suffix == ".jsonl":
                write_rows(read_folders(runs), path)

    def _train_row(self, row: str) -> None:
        """Train for a moment a run of ``METHOD@DATASET``."""
        method, dataset = row.rsplit("@", 1)
        root = self.folder / "runs"
        session = Session(root, device="cpu", quiet=True)
        plan = session.plan([method], [dataset], [0], precision="fp32", steps=1)
        (spec,) = plan.specs
        assert "test" in execute(
            Job(spec, spec.folder(root), self.folder), lambda _: None, lambda: False
        )

    def _predict(self, options: dict[str, Any]) -> None:
        """Train for a moment what is to predict, and write the images and priors that are named."""
        asked = str(options["run"])
        method, dataset = asked.rsplit("@", 1) if "@" in asked else ("erm", "digits-mini-mlt")
        more: dict[str, Any] = {}
        if dataset == "image-folder":
            dataset = f"image-folder[root={self.folder / 'data/moths'}]"
            more = {"backbone": "digits-cnn-narrow", "pretrained": False, "image_size": 28}
        root = self.folder / "runs"
        session = Session(root, device="cpu", quiet=True)
        plan = session.plan([method], [dataset], [0], precision="fp32", steps=1, **more)
        for spec in plan.specs:
            job = Job(spec, spec.folder(root), self.folder)
            assert "test" in execute(job, lambda _: None, lambda: False)
        for place in options["images"]:
            path = self.folder / place
            image = path if path.suffix == ".png" else path.with_suffix("") / "a.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(image)
            if path.suffix == ".csv":
                path.write_text(f"path\n{image.relative_to(path.parent)}\n")
        if options.get("prior"):
            prior = "class,probability\nagrotis,0.2\nnoctua,0.8\n"
            (self.folder / options["prior"]).write_text(prior)

    def _fail(self, options: dict[str, Any]) -> None:
        """Write runs that were planned for good and failed, diverged or were broken off."""
        algos = _listed(options.get("algo")) or ["erm", "boda"]
        with_folder = [part for path in options["runs"] for part in path.parts[1:2]]
        for dataset in with_folder or ["digits-mini-mlt"]:
            session = Session(self.folder / "runs", device="cpu", quiet=True)
            plan = session.plan(algos, [dataset], range(3), precision="fp32")
            for status, spec in zip(itertools.cycle(("failed", "diverged", "")), plan.specs):
                folder = spec.folder(self.folder / "runs")
                folder.mkdir(parents=True)
                (folder / "spec.json").write_text(json.dumps(spec.as_dict()))
                if status:
                    error = {"status": status, "error": "RuntimeError: boom", "traceback": ""}
                    (folder / "error.json").write_text(json.dumps(error))


def _add_metrics(folder: Path, names: list[str]) -> None:
    """Give a run the metrics that are asked for, of those that a real one has."""
    if not names:
        return
    document = json.loads((folder / "result.json").read_text())
    for name in _metric_names().intersection(names):
        document["test"].setdefault(name, 0.5)
    (folder / "result.json").write_text(json.dumps(document))


@functools.cache
def _metric_names() -> set[str]:
    return set(re.findall(r"`(\w+)`", reference.pages()["metrics.md"]))


def _listed(texts: Any) -> list[str]:
    given = [texts] if isinstance(texts, str) else list(texts or ())
    return [name for text in given for name in re.split(r",(?![^\[]*\])", text)]


def _roots(options: dict[str, Any]) -> list[str]:
    """Return the folders of runs below the reader's: ``runs/pacs-mlt`` lies in ``runs``.

    Of a site that is one of its boards.
    """
    if "boards" in options:
        return [f"{options['boards']}/board"]
    given = [str(path).lstrip("/") for path in options.get("runs") or ("runs",)]
    return ["runs" if path.startswith("runs/") else path for path in given]


def _data(example: Example, options: dict[str, Any]) -> list[dict[str, Any] | None]:
    """Return the options of data sets: each domain left out, where the example is about those."""
    if options.get("trained_on"):
        return [{"profile": options["trained_on"]}]
    if "unseen" not in typed(example.line):
        return [None]
    return [{"unseen": domain} for domain in ("mnist", "mnist-m", "optdigits")]


def _variants(example: Example, options: dict[str, Any], chain: list[Name]) -> list[list[Name]]:
    """Return a method with the hyper-parameters whose effect the example looks at."""
    name = chain[0]
    if options.get("kind") == "sensitivity":
        return [[Name(name.name, {"alpha": alpha})] for alpha in (0.01, 0.1, 1.0)]
    if "ablation" not in typed(example.line):
        return [chain]
    hparams = get_plugins()["algorithms"].get(name.name).load().HParams
    defaults = hparams().as_dict()
    asked = [key for key in str(options.get("components") or "").split(",") if key]
    keys = asked or [key for key, value in defaults.items() if isinstance(value, bool)]
    states = itertools.product(*((defaults[key], type(defaults[key])(0)) for key in keys))
    return [[Name(name.name, defaults | dict(zip(keys, state, strict=True)))] for state in states]


def stand_ins() -> dict[str, list[Entry]]:
    """Return entries of the data sets that are not on this machine, as if they were.

    Names, parameters, protocols and facts are their own; each pair has a few images of noise.
    """
    found = {}
    for entry in reference.entries("datasets"):
        cls = entry.load()
        if entry.name not in ("digits-mini-mlt", "image-folder"):
            there = type(cls.__name__, (_Downloaded, cls), {"__doc__": cls.__doc__})
            fields = {**vars(entry), "target": there}
            found[entry.name] = [Entry(**fields)]
    return found


class _Downloaded(Dataset):
    """What a data set is when its images are on this machine, with fewer of them."""

    def missing(self) -> None:
        """Nothing is."""

    def split(self) -> Split:
        facts = self.facts
        pairs = itertools.product(range(len(facts.classes)), range(max(1, len(facts.domains))))
        parts = ("train", "train", "val", "test")
        rows = [(f"{c}-{d}-{i}", c, d, part) for c, d in pairs for i, part in enumerate(parts)]
        return Split.from_rows(rows, (max(1, len(facts.domains)), len(facts.classes)))

    def decoder(self, split: Split) -> Any:
        facts = self.facts
        return lambda i: np.full((facts.size, facts.size, facts.channels), i % 256, np.uint8)

    def image_files(self, split: Split) -> tuple[str, ...]:
        return ()

    def fingerprint(self, split: Split) -> str:
        return ""

    def test_sets(self, split: Split) -> dict[str, Any]:
        return {}

    def verify(self, split: Split) -> list[str]:
        return []
