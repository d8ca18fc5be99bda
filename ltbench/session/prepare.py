"""What is made ready before the first run starts, so that no run fails for the want of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ltbench.data.store import is_cached, open_store
from ltbench.errors import UsageError
from ltbench.models.catalogue import build_backbone
from ltbench.models.weights import load_weights
from ltbench.session.head_checks import check_classifier, needed_tower
from ltbench.session.plan import Plan
from ltbench.session.progress import decoding_bar


def check_writable(out: Path) -> None:
    """Create the folder of the runs and check that files can be written there.

    Raises:
        UsageError: they cannot.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise UsageError(
            f"--out {out} cannot be written: {error.strerror}; choose another folder"
        ) from error


def decode_images(plan: Plan, *, show: bool) -> None:
    """Decode the images of all data sets that are not in the store yet.

    Args:
        plan: names the data sets.
        show: a bar for each, on standard error.

    Raises:
        DataError: an image is broken.
    """
    for dataset, split in plan.datasets:
        if show and not is_cached(dataset, split):
            with decoding_bar(dataset.name) as progress:
                open_store(dataset, split, progress)
        else:
            open_store(dataset, split)


def check_backbones(plan: Plan) -> None:
    """Build once what needs weights from elsewhere, so that they are fetched or missed now.

    Raises:
        UsageError: a backbone cannot be built, weights are missing, or an algorithm has another
            classifier than its backbone's options ask for.
    """
    found = {dataset.name: (dataset.facts, split) for dataset, split in plan.datasets}
    seen, checked = set(), set()
    for spec in plan.specs:
        facts, split = found[spec.dataset.name]
        sized = spec.protocol.sized(facts)
        shape = (sized.channels, sized.size, sized.size)
        key = (spec.backbone.name, shape, spec.backbone.pretrained)
        if key not in seen:  # whether it can be adapted was found out where it was planned
            seen.add(key)
            backbone = build_backbone(*key)
            if plan.weights is not None:
                load_weights(backbone, plan.weights)
        if spec.hash in checked:
            continue
        checked.add(spec.hash)
        check_classifier(spec, sized, split)
        if (tower := needed_tower(spec)) is not None:
            tower.file()
