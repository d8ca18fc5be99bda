"""A data set as large as DomainNet opens fast and lightly; the data commands never need torch."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

IMAGES = 586_575

WRITE = textwrap.dedent("""
    import sys
    from pathlib import Path
    import numpy as np
    from ltbench.plugins.split import Split

    n, folder = int(sys.argv[1]), Path(sys.argv[2])
    i = np.arange(n)
    names = [f"quickdraw/The_Great_Wall_of_China/{k:08d}_{k % 345:03d}.png" for k in range(n)]
    split = Split(np.array(names), i * 7919 % 345, i % 6, i % 10 // 8, (6, 345))
    split.save(folder / "split.npz")
    np.save(folder / "sizes.npy", np.full((n, 2), 300, dtype=np.int32))
    shape = (n, 3, 288, 288)
    np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
""")

OPEN = textwrap.dedent("""
    import json, re, sys, time
    from pathlib import Path
    from ltbench.data.store import ImageStore
    import numpy as np

    began, cpu = time.monotonic(), time.process_time()
    store = ImageStore.load(Path(sys.argv[1]))
    checksum, counts = store.split.sha256, store.split.counts("train")
    pixels = int(store.images[[5, 300_000, 586_574]].sum())
    # getrusage would count what the parent of this process had.
    status = Path("/proc/self/status").read_text()
    print(json.dumps({
        "seconds": time.monotonic() - began, "cpu": time.process_time() - cpu,
        "megabytes": int(re.search("VmHWM: +(\\d+)", status.replace("\\t", " "))[1]) / 1024,
        "images": len(store.split), "torch": "torch" in sys.modules,
    }))
""")


def test_an_index_of_half_a_million_images(tmp_path: Path, capsys) -> None:
    for script, arguments in ((WRITE, [str(IMAGES), str(tmp_path)]), (OPEN, [str(tmp_path)])):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
        )
        if "No space left" in done.stderr or "File too large" in done.stderr:
            pytest.skip("this file system has no sparse files of 146 GB")
        assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    with capsys.disabled():
        print(f" [{found['seconds']:.2f} s, {found['megabytes']:.0f} MB]", end="")
    assert found["images"] == IMAGES
    assert found["cpu"] < 2
    assert found["megabytes"] < 500
    assert not found["torch"]


PLANT = textwrap.dedent("""
    import os, sys
    from pathlib import Path
    from ltbench.plugins.facts import registry_facts

    facts, planted = registry_facts("domainnet-mlt"), 0
    for domain, counts in facts.counts.items():
        share, more = divmod(sum(counts), len(facts.classes))
        for c, label in enumerate(facts.classes):
            folder = Path(sys.argv[1], "domain_net", domain, label)
            folder.mkdir(parents=True)
            for i in range(share + (c < more)):
                os.close(os.open(f"{folder}/{domain}_{c + 1:03}_{i + 1:06}.jpg", os.O_CREAT))
                planted += 1
    print(planted)
""")

OPEN_NAME = textwrap.dedent("""
    import json, re, sys, time
    from pathlib import Path
    from ltbench.data.catalogue import open_dataset
    from ltbench.data.store import store_folder
    from ltbench.plugins.names import parse_name

    began, cpu = time.monotonic(), time.process_time()
    dataset, split = open_dataset(parse_name(sys.argv[1]), Path(sys.argv[2]))
    store_folder(dataset, split)
    status = Path("/proc/self/status").read_text()
    print(json.dumps({
        "seconds": time.monotonic() - began, "cpu": time.process_time() - cpu,
        "megabytes": int(re.search("VmHWM: +(\\d+)", status.replace("\\t", " "))[1]) / 1024,
        "images": len(split), "torch": "torch" in sys.modules,
    }))
""")


@pytest.mark.slow
def test_half_a_million_files_open_by_name(tmp_path: Path, capsys) -> None:
    """As many empty files as DomainNet has images: every one is listed and looked at once."""
    command = [sys.executable, "-c"]
    planted = subprocess.run([*command, PLANT, str(tmp_path)], capture_output=True, check=True)
    assert int(planted.stdout) == IMAGES
    for name in ("domainnet-mlt", f"image-folder[root={tmp_path}/domain_net]"):
        done = subprocess.run(
            [*command, OPEN_NAME, name, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        with capsys.disabled():
            print(f" [{name.partition('[')[0]} {found['seconds']:.1f} s, ", end="")
            print(f"{found['cpu']:.1f} s of processor, {found['megabytes']:.0f} MB]", end="")
        assert found["images"] == IMAGES
        assert found["cpu"] < 12
        assert found["megabytes"] < 500
        assert not found["torch"]


COMMANDS = textwrap.dedent("""
    import sys
    from ltbench.cli.main import main

    for line in sys.stdin.read().splitlines():
        sys.argv = ["ltbench", "data", *line.split()]
        try:
            main()
        except SystemExit as stop:
            assert not stop.code, (line, stop.code)
        assert "torch" not in sys.modules, f"ltbench data {line} imported torch"
""")

LINES = """list
info digits-mini-mlt
info cifar100-lt
prepare digits-mini-mlt
verify digits-mini-mlt --images
plot digits-mini-mlt
cache list
cache clear --all
"""


def test_the_data_commands_never_import_torch(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMANDS]
    done = subprocess.run(
        command, cwd=tmp_path, input=LINES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.glob("digits*")) == [
        "digits-mini-mlt.png",
        "digits-mini-mlt.svg",
    ]


def test_a_build_keeps_no_list_of_what_is_to_do(make_noise) -> None:
    """Threads take ranges of images, so that half a million images are nine thousand tasks."""
    from ltbench.data import store

    assert IMAGES / store.CHUNK < 10_000
    noise = make_noise(count=130)
    found = store.open_store(noise, noise.split())
    assert (np.asarray(found.sizes).min(axis=0) == [6, 9]).all()
