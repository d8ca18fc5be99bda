"""What programs write and networks bring: documents, arrays, archives, checkpoints, pickles."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import tarfile
import time
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from mutation import ODD_WORDS, mutate_bytes, mutate_document, to_json
from synthetic_runs import write_run
from text_surfaces import Surface

OFTEN = 25
"""Every so many inputs go through the slow readers too."""


class Documents(Surface):
    """All JSON of a folder of runs: specifications, results, errors, logs, claims, sweeps."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.root = folder / "runs"
        write_run(self.root, seed=0, arrays=False)
        write_run(self.root, algo="boda", stages=["crt"], seed=0, hparams={"weight": 0.5})
        run = write_run(self.root, algo="boda", stages=["crt"], seed=1, hparams={"weight": 0.5})
        error = {
            "status": "failed",
            "error": "told to",
            "traceback": "…",
            "stage": "crt",
            "step": 7,
        }
        claim = {"token": "ab12", "host": "node7", "machine": "n", "pid": 42, "start": "9"}
        here = {"host": "node7", "machine": "n", "pid": 42, "start": "9", "slots": 2}
        planned = {"folder": str(run.relative_to(self.root)), "label": "boda", "dataset": "d",
                   "algo": "boda+crt", "seed": 1, "steps": 300, "estimate_s": 40.0, "tuned": {
                       "search": "random", "trials": 8, "seed": 0, "metric": "f1"}}  # fmt: skip
        sweep = {"format": 1, "command": ["ltbench", "run"], **here, "runs": [planned] * 2,
                 "started": "2026-01-01T00:00:00+00:00"}  # fmt: skip
        log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()[:3]]
        (self.root / ".sweeps").mkdir()
        self.run = run
        self.valid: dict[Path, Any] = {
            run / "spec.json": json.loads((run / "spec.json").read_text()),
            run / "result.json": json.loads((run / "result.json").read_text()),
            run / "error.json": error,
            run / "claim": claim,
            self.root / ".sweeps" / "0123.json": sweep,
            run / "log.jsonl": log,
        }
        self.valid[run / "spec.json"]["identity"]["tuned"] = planned["tuned"]

    def make(self, rng: Random) -> tuple[Path, bytes]:
        path, document = rng.choice(list(self.valid.items()))
        if path.name == "log.jsonl":
            lines = [mutate_document(line, rng) for line in document]
            text = b"\n".join(map(to_json, lines)) + b"\n"
        else:
            text = to_json(mutate_document(document, rng))
        return path, mutate_bytes([text], rng) if rng.random() < 0.3 else text

    def put(self, made: tuple[Path, bytes]) -> None:
        """Write all files, one of them as made."""
        for path, document in self.valid.items():
            if path.name == "error.json" and made[0] != path:
                path.unlink(missing_ok=True)
                continue
            lines = document if isinstance(document, list) else [document]
            text = b"".join(to_json(line) + b"\n" for line in lines)
            path.write_bytes(made[1] if path == made[0] else text)
        if made[0].name in ("error.json", "claim", "log.jsonl", "0123.json"):
            (self.run / "result.json").unlink()

    def read(self, made: tuple[Path, bytes], number: int) -> None:
        from ltbench.report.leaderboard import load_content, render
        from ltbench.report.run_page import Documents as Page
        from ltbench.report.run_page import as_text as show
        from ltbench.report.status_page import as_document, as_text
        from ltbench.results.documents import read_confusion, read_data_facts
        from ltbench.results.index import read_runs
        from ltbench.results.states import read_last_line, read_overview
        from ltbench.results.untrusted import read_json, read_log

        self.put(made)
        records = read_runs(self.root)
        assert len(records) >= 2
        read_last_line(self.run)
        log = list(read_log(self.run))
        overview = read_overview([self.root])
        json.dumps(as_document(overview, [self.root], time.time()), allow_nan=False)
        as_text(overview, [self.root], time.time(), everything=True)
        if number % OFTEN == 0:
            render(self.root)
            load_content(self.root, resamples=0)
            document = read_json(made[0]) if made[0].suffix == ".json" else {}
            kind = made[0].stem
            page = {"spec": {}, "result": {}, "error": {}} | (
                {kind: document or {}} if kind in ("spec", "result", "error") else {}
            )
            for state in overview.runs:
                show(state, Page(**page, log=log, broken=[]), "runs/x")
        facts = read_data_facts(self.run)
        read_confusion(self.run, facts["domains"], len(facts["classes"]))

    def command(self, made: tuple[Path, bytes]) -> list[str]:
        self.put(made)
        words = {"spec.json": ["leaderboard"], "result.json": ["stats", "--resamples", "20"]}
        return [*words.get(made[0].name, ["status"]), str(self.root)]


class Arrays(Surface):
    """Predictions and features: archives of arrays, their headers and the numbers in them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.runs = [write_run(folder / "runs", seed=seed) for seed in range(2)]
        names = ("predictions.npz", "features.npz", "logits.npz")
        self.valid = {name: (self.runs[0] / name).read_bytes() for name in names}
        self.arrays = {name: dict(np.load(self.runs[0] / name)) for name in names}

    def make(self, rng: Random) -> tuple[str, bytes]:
        name = rng.choice(list(self.valid))
        if rng.random() < 0.4:
            return name, mutate_bytes([self.valid[name]], rng)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", rng.choice((0, 8, 8, 12, 14))) as archive:
            for key, array in self.arrays[name].items():
                if rng.random() < 0.03:
                    continue
                file = io.BytesIO()
                np.save(file, self._odd(array, rng) if rng.random() < 0.3 else array)
                content = file.getvalue()
                if rng.random() < 0.3:
                    content = mutate_bytes([content], rng)
                archive.writestr(f"{key}.npy", content)
        return name, buffer.getvalue()

    def _odd(self, array: np.ndarray, rng: Random) -> np.ndarray:
        kind = rng.randrange(6)
        if array.dtype.kind == "U":
            array = array[: rng.randrange(len(array) + 1)] if kind else array.astype(bytes)
        elif kind == 0:
            array = array.astype(
                rng.choice((np.uint8, np.int64, np.uint64, np.float64, bool, ">i4"))
            )
        elif kind == 1:
            array = array[: rng.randrange(len(array) + 1)]
        elif kind == 2:
            array = array[None] if rng.random() < 0.5 else array.ravel()
        else:
            array = array.astype(np.int64 if array.dtype.kind in "iu" else array.dtype)
            if array.size:
                with np.errstate(all="ignore"):
                    array.flat[rng.randrange(array.size)] = rng.choice(
                        (-1, 2**31, 2**62, 10**5, 60_000, 65_504)
                    )
        return array

    def read(self, made: tuple[str, bytes], number: int) -> None:
        from ltbench.report.leaderboard import load_content
        from ltbench.report.per_class import per_class
        from ltbench.report.render import terminal
        from ltbench.report.stored_metrics import metrics_of_stored
        from ltbench.results.documents import read_features, read_predictions
        from ltbench.results.logits import read_logits

        name, content = made
        (self.runs[0] / name).write_bytes(content)
        if name == "features.npz":
            read_features(self.runs[0])
            return
        if name == "logits.npz":
            read_logits(self.runs[0], "test")
            read_logits(self.runs[0], "val")
            return
        try:
            read_predictions(self.runs[0])
            metrics_of_stored(self.runs[0])
            terminal(per_class(self.runs[0], "erm", domains=["each"]))
        finally:
            if number % OFTEN == 0:
                load_content(self.runs[0].parents[3], resamples=20)

    def command(self, made: tuple[str, bytes]) -> list[str]:
        name, content = made
        (self.runs[0] / name).write_bytes(content)
        root = str(self.runs[0].parents[3])
        if name == "features.npz":
            return ["figures", "tsne", root, "-o", str(self.folder / "tsne.png"), "--seed", "0"]
        if name == "logits.npz":
            return ["leaderboard", root, "--test-prior", "train", "--correct", "known,mlls,bbse"]
        return ["leaderboard", root, "--resamples", "20"]


class Archives(Surface):
    """Archives of data sets: zip, and tar plain and compressed."""

    names = ("PACS/dog/1.jpg", "PACS/cat/2.jpg", "PACS/", "a.csv", "x/y/z/1.png")

    def make(self, rng: Random) -> bytes:
        names = [self._name(rng) for _ in range(rng.randrange(1, 5))]
        content = rng.choice((b"", b"x", b"\0" * 5000, rng.randbytes(300)))
        buffer = io.BytesIO()
        if rng.random() < 0.4:
            with zipfile.ZipFile(buffer, "w", rng.choice((0, 8, 12, 14))) as archive:
                for name in dict.fromkeys(names):
                    entry = zipfile.ZipInfo(name.replace("\0", "") or "x")
                    entry.external_attr = rng.choice((0, 0, 0o120777, 0o100644, 0o020666)) << 16
                    archive.writestr(entry, content)
        else:
            mode: Any = rng.choice(("w", "w", "w:gz", "w:xz", "w:bz2"))
            form = rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT))
            with tarfile.open(fileobj=buffer, mode=mode, format=form) as tar:
                for name in names:
                    entry = tarfile.TarInfo(name[:90])
                    entry.type = rng.choice((tarfile.REGTYPE,) * 6 + (tarfile.SYMTYPE, b"3", b"S"))
                    entry.mode = rng.choice((0o644, 0, 0o7777))
                    entry.size = len(content) if entry.isreg() else 0
                    tar.addfile(entry, io.BytesIO(content))
        made = buffer.getvalue()
        return mutate_bytes([made], rng) if rng.random() < 0.7 else made

    def _name(self, rng: Random) -> str:
        odd = (
            "../x",
            "/etc/x",
            "C:\\x",
            "a/../../x",
            ".",
            "..",
            "a" * 300,
            "con",
            "x" + "/y" * 300,
        )
        return rng.choice(self.names) if rng.random() < 0.8 else rng.choice((*odd, *ODD_WORDS[:30]))

    def read(self, made: bytes, number: int) -> None:
        from ltbench.data.archives import unpack

        path, out = self.folder / "archive", self.folder / "deep" / "out"
        path.write_bytes(made)
        try:
            unpack(path, out)
        finally:
            outside = {entry.name for entry in self.folder.iterdir()} - {"archive", "deep"}
            assert not outside, outside
            assert {entry.name for entry in (self.folder / "deep").iterdir()} <= {"out"}
            shutil.rmtree(self.folder / "deep", ignore_errors=True)


class Checkpoints(Surface):
    """Checkpoints of runs, and weights that somebody gives."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import torch
        from safetensors.torch import save

        from ltbench.training.checkpoint import Best, Checkpoint, save_checkpoint

        torch.set_num_threads(1)
        self.model = torch.nn.Linear(4, 3)
        state = {key: value.clone() for key, value in self.model.state_dict().items()}
        best = Best(3, 0.5, {"accuracy": 0.5, "f1": None}, state)
        optimiser = torch.optim.Adam(self.model.parameters()).state_dict()
        whole = Checkpoint(1, 5, state, {"main": optimiser}, best, log_lines=1,
                           running={"loss": torch.ones(())})  # fmt: skip
        self.valid: dict[str, bytes] = {}
        for name, made in (("latest.pt", whole), ("best.pt", best)):
            save_checkpoint(folder / name, made)
            self.valid[name] = (folder / name).read_bytes()
        torch.save({"state_dict": state}, folder / "weights.pt")
        self.valid["weights.pt"] = (folder / "weights.pt").read_bytes()
        buffer = io.BytesIO()
        torch.save(state, buffer, _use_new_zipfile_serialization=False)
        self.valid["old.pt"] = buffer.getvalue()
        self.valid["weights.safetensors"] = save(state)

    def make(self, rng: Random) -> tuple[str, bytes]:
        name, valid = rng.choice(list(self.valid.items()))
        if name in ("old.pt", "weights.safetensors") or rng.random() < 0.4:
            return name, mutate_bytes([valid], rng)
        # The parts of the archive, so that the changes lie behind its checksums.
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(valid)) as old, zipfile.ZipFile(buffer, "w") as new:
            chosen = rng.choice(old.namelist()) if rng.random() < 0.4 else "data.pkl"
            for entry in old.namelist():
                content = old.read(entry)
                new.writestr(
                    entry, mutate_bytes([content], rng) if entry.endswith(chosen) else content
                )
        return name, buffer.getvalue()

    def read(self, made: tuple[str, bytes], number: int) -> None:
        from ltbench.models.weights import load_weights
        from ltbench.training.checkpoint import load_checkpoint

        name, content = made
        path = self.folder / name
        path.write_bytes(content)
        if name == "latest.pt":
            load_checkpoint(path)
        else:
            load_weights(self.model, path)

    def command(self, made: tuple[str, bytes]) -> list[str]:
        name, content = made
        path = self.folder / name
        path.write_bytes(content)
        return ["run", "--algo", "erm", "--dataset", "digits-mini-mlt", "--seeds", "1", "--steps",
                "1", "--weights", str(path), "--out", str(self.folder / "runs"), "-q"]  # fmt: skip


class Pickles(Surface):
    """The pickles in which CIFAR is published."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        images = np.arange(4 * 3072, dtype=np.uint64).astype(np.uint8).reshape(4, 3072)
        tables: list[Any] = [
            {b"data": images, b"labels": [0, 1, 2, 9], b"batch_label": b"x", b"filenames": [b"a"]},
            {b"data": images, b"labels": np.asarray([3, 2, 1, 0])},
            {"data": images, "labels": [1, 2, 3, 4]},
        ]
        self.valid = [pickle.dumps(table, p) for table in tables for p in (0, 1, 2, 3, 4, 5)]

    def make(self, rng: Random) -> bytes:
        made = rng.choice(self.valid)
        # Most bytes are pixels; the opcodes stand at both ends.
        edge = rng.choice((200, 400, len(made)))
        if rng.random() < 0.5:
            return mutate_bytes([made[:edge]], rng) + made[edge:]
        return made[: len(made) - edge] + mutate_bytes([made[len(made) - edge :]], rng)

    def read(self, made: bytes, number: int) -> None:
        from ltbench_datasets.cifar_files import read_batches

        path = self.folder / "data_batch_1"
        path.write_bytes(made)
        images, labels = read_batches([path], "labels", 10)
        assert len(images) == len(labels)

    def command(self, made: bytes) -> list[str]:
        folder = self.folder / "data" / "cifar-10-batches-py"
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
            (folder / name).write_bytes(made)
        return ["data", "info", "cifar10-lt", "--data-dir", str(self.folder / "data")]
