"""Checks what a run says of the images beside those for training that it learnt on.

Tables tell which methods learnt on the test images, without their labels, and which on those of
validation. Both stand in ``result.json``, which no hash holds, and both follow from the method.
"""

from __future__ import annotations

from collections.abc import Sequence

from ltbench.errors import LtbenchError
from ltbench.plugins.resolve import resolve_written
from ltbench.plugins.views import chains_before_test
from ltbench.results.combined import ENSEMBLE, Ingredient, trained_members
from ltbench.results.run import RunSpec
from ltbench.session.verification.finding import Findings, Subject
from ltbench.training.validation_labels import as_result, trained_on_validation

_TRAINED = "trained_on_validation"


def check_learnt_on(run: Subject, findings: Findings) -> None:
    """Check a run that was trained by what its method does, as far as its plugins are here."""
    if run.asked is None or run.combined:
        return
    try:
        trained = as_result(trained_on_validation(run.asked))
        on_test = _learns_on_test(run.asked)
    except LtbenchError:  # a plugin that is not here, which is said where plugins are checked
        return
    _compare(run, trained.get(_TRAINED), findings)
    if on_test != run.record.transductive:
        does = "learns" if on_test else "does not learn"
        _add_of_test(run, f"its method {does}", findings)


def check_learnt_of_members(
    run: Subject, members: Sequence[Subject], ingredients: Sequence[Ingredient], findings: Findings
) -> None:
    """Check what was made of runs by what these say."""
    _compare(run, trained_members(ingredients).get(_TRAINED), findings)
    number = sum(member.record.transductive for member in members)
    told = run.result.get("before_test")
    if run.record.combined["kind"] == ENSEMBLE:
        right = told == ({"members": number} if number else None)
    else:  # a soup learns itself, as the method of the first of them does
        right = run.record.transductive in {member.record.transductive for member in members}
    if not right:
        _add_of_test(run, f"{number} of its members learnt", findings)


def _learns_on_test(asked: RunSpec) -> bool:
    """Return whether the model that is tested learns on the test images: that of the last part."""
    kind = "stages" if asked.stages else "algorithms"
    last = asked.parts[-1]
    cls, own = resolve_written(kind, last.name, last.hparams)
    return bool(chains_before_test(cls, own, asked.protocol.augmentation))


def _compare(run: Subject, expected: list[str] | None, findings: Findings) -> None:
    if run.result.get(_TRAINED) != expected:
        names = ", ".join(expected or ["no part of it"])
        text = f"'{_TRAINED}' of result.json does not fit: {names} trained on validation images"
        findings.add("wrong", text, run)


def _add_of_test(run: Subject, who: str, findings: Findings) -> None:
    text = f"'before_test' of result.json does not fit: {who} on the test images"
    findings.add("wrong", text, run)
