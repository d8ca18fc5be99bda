"""iNaturalist's half a million images of eight thousand classes plan fast and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

TRAIN, TEST, CLASSES = 437_513, 24_426, 8_142

OPEN = textwrap.dedent("""
    import json, re, sys, time
    from pathlib import Path
    from ltbench.data.catalogue import open_dataset
    from ltbench.data.sampling import make_sampler
    from ltbench.plugins.names import parse_name

    cpu = time.process_time()
    dataset, split = open_dataset(parse_name(sys.argv[1]), Path(sys.argv[2]))
    checksum, counts = split.sha256, split.counts("train")
    sampler = make_sampler("class-balanced", split, 512, 0)
    batch = sampler(0)
    status = Path("/proc/self/status").read_text()
    print(json.dumps({
        "cpu": time.process_time() - cpu, "train": int(counts.sum()), "sha256": checksum,
        "megabytes": int(re.search("VmHWM: +(\\\\d+)", status.replace("\\t", " "))[1]) / 1024,
        "torch": "torch" in sys.modules,
    }))
""")


def write_large(root: Path, kind: str) -> None:
    """Write lists, or annotations, of the published size."""
    (root / "train_val2018").mkdir(parents=True)
    sizes = np.maximum(2, (1000 * np.exp(-np.arange(CLASSES) * 6.2 / CLASSES)).astype(int))
    y = np.random.default_rng(0).choice(CLASSES, TRAIN, p=sizes / sizes.sum())
    for part, labels in (("train", y), ("val", np.repeat(np.arange(CLASSES), 3))):
        names = [f"train_val2018/Plantae/{c}/{part}{i:027x}.jpg" for i, c in enumerate(labels)]
        pairs = list(zip(names, labels.tolist(), strict=True))
        if kind == "lists":
            lines = "".join(f"{name} {c}\n" for name, c in pairs)
            (root / f"iNaturalist18_{part}.txt").write_text(lines)
            continue
        table = {
            "images": [
                {"id": i, "width": 800, "height": 600, "file_name": name, "license": 1,
                 "rights_holder": "Somebody"}
                for i, (name, _) in enumerate(pairs)
            ],
            "annotations": [
                {"id": i, "image_id": i, "category_id": c} for i, (_, c) in enumerate(pairs)
            ],
            "categories": [{"id": c, "name": f"{c:04d}"} for c in range(CLASSES)],
        }  # fmt: skip
        (root / f"{part}2018.json").write_text(json.dumps(table))


@pytest.mark.slow
def test_half_a_million_images_of_eight_thousand_classes(tmp_path: Path, capsys) -> None:
    found = {}
    for kind, most in (("lists", 600), ("json", 900)):
        write_large(tmp_path / kind / "inat2018", kind)
        done = subprocess.run(
            [sys.executable, "-c", OPEN, "inat2018", str(tmp_path / kind)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found[kind] = json.loads(done.stdout)
        with capsys.disabled():
            print(
                f" [{kind} {found[kind]['cpu']:.1f} s, {found[kind]['megabytes']:.0f} MB]", end=""
            )
        assert found[kind]["train"] == TRAIN
        assert found[kind]["cpu"] < 8
        assert found[kind]["megabytes"] < most
        assert not found[kind]["torch"]
    assert found["lists"]["sha256"] == found["json"]["sha256"]
