"""What may stand in the brackets of a backbone's name, ``resnet50[adapt=bitfit]``.

::

    names    = backbone ("," backbone)*
    backbone = name ["[" key "=" value ("," key "=" value)* "]"]

The name is one of a registered backbone, of timm or of the hub (``hf-hub:ORG/MODEL``). A list as a
value is a sweep, ``[adapt=lora,rank=[4,8]]``, and what belongs to a choice may stand in brackets of
its own, ``[adapt=lora[rank=4]]``. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.class_texts import check_prompt
from ltbench.plugins.hparams import HParams, hparam
from ltbench.plugins.names import Name, expand, format_value, parse_name, split_list
from ltbench.plugins.text import visible

ADAPTERS = (
    "full", "head", "lora", "adaptformer", "vpt-shallow", "vpt-deep", "bitfit", "layernorm",
)  # fmt: skip
"""What is trained of a network."""
PROMPT = "a photo of a {}."
"""What CLIP and LIFT write around the name of a class unless something else is said."""


class BackboneOptions(HParams):
    """How a network is adapted to the data set.

    At its default an option leaves no trace in a run's identity.
    """

    adapt: str = hparam(
        "full",
        choices=ADAPTERS,
        help="what is trained: the network, its head alone, small modules within it, its biases or "
        "its normalisations",
    )
    rank: int = hparam(4, low=1, high=4096, help="of lora: rank of what is added to q, v")
    bottleneck: int = hparam(
        0,
        low=0,
        high=65536,
        help="of adaptformer: width between Down and Up; 0 goes by the classes, "
        "2^max(0, ⌊log2(classes/2·blocks)⌋)",
    )
    tokens: int = hparam(
        10,
        low=1,
        high=4096,
        help="of vpt-shallow and vpt-deep: learnable tokens beside the patches",
    )
    alpha: float = hparam(
        1.0,
        low=0.0,
        high=1e6,
        help="of lora: what is added is scaled by alpha/rank; of adaptformer: what its learnable "
        "scale begins at",
    )
    head: str = hparam(
        "linear", choices=("linear", "cosine"), help="classifier: linear, or scaled cosines"
    )
    scale: float = hparam(
        25.0, low=1e-3, high=1e3, search=(10.0, 50.0), log=True, help="of head=cosine"
    )
    init: str = hparam(
        "random",
        choices=("random", "class-mean", "text"),
        help="what the classifier starts from: a draw, the mean features of the classes' training "
        "images, or those of their names by the text tower of the weights",
    )
    prompt: str = hparam(
        PROMPT,
        help="of init=text: what is written around a name; several with | between them, or "
        "imagenet or simple for the sets of CLIP",
    )


BELONGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "rank": ("adapt", ("lora",)),
    "bottleneck": ("adapt", ("adaptformer",)),
    "tokens": ("adapt", ("vpt-shallow", "vpt-deep")),
    "alpha": ("adapt", ("lora", "adaptformer")),
    "scale": ("head", ("cosine",)),
    "prompt": ("init", ("text",)),
}
"""Options that only some choices of another one have."""


def parse_backbones(text: str) -> list[Name]:
    """Return the backbones that a comma list stands for, sweeps written out.

    Args:
        text: as typed; whether there are such backbones is not asked.

    Returns:
        Names with the options that differ from their defaults.

    Raises:
        UsageError: the text does not follow the grammar, or an option is not possible.
    """
    return [
        Name(one.name, checked_options(one.options, one.name).changed())
        for part in split_list(text)
        for one in expand(_parsed(part))
    ]


def parse_backbone(text: str) -> Name:
    """Return the one backbone that a text names.

    Raises:
        UsageError: as :func:`parse_backbones`, or it names several.
    """
    found = parse_backbones(text)
    if len(found) > 1:
        raise UsageError(f"'{visible(text)}' names {len(found)} backbones: one is meant here")
    return found[0]


def checked_options(options: Mapping[str, Any], owner: str) -> BackboneOptions:
    """Return the options of a backbone.

    Args:
        options: as typed, or from an identity.
        owner: the backbone's name, for messages.

    Raises:
        UsageError: there is no such option, its value is not possible, or it belongs to a choice
            that was not made.
    """
    name = visible(owner)
    whole = _flat(options, name)
    found = BackboneOptions.from_options(whole, f"backbone {name}")
    check_prompt(found.prompt)
    for key in whole:
        option, choices = BELONGS.get(key, ("", ()))
        if option and getattr(found, option) not in choices:
            either = " or ".join(f"{option}={choice}" for choice in choices)
            raise UsageError(
                f"{name}[{key}={visible(format_value(whole[key]))}] goes with {either}: add it, or "
                f"leave {key} out"
            )
    return found


def _parsed(text: str) -> Name:
    """Parse one name, whose letters are not judged; list values stay lists."""
    head, bracket, rest = text.strip().partition("[")
    if not bracket:
        return Name(head)
    try:
        return Name(head, parse_name(f"backbone[{rest}").options)
    except UsageError as error:
        raise UsageError(f"--backbone '{visible(text)}': {error}") from error


def _flat(options: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return options in which none has brackets: ``adapt=lora[rank=4]`` is two of them.

    Raises:
        UsageError: an option stands twice.
    """
    found: dict[str, Any] = {}
    for key, value in options.items():
        bounds = BackboneOptions.bounds().get(key)
        pairs = [(key, value)]
        if bounds and bounds.choices and isinstance(value, str) and "[" in value:
            choice = parse_name(value)
            pairs = [(key, choice.name), *choice.options.items()]
        for name, one in pairs:
            if name in found:
                raise UsageError(f"'{name}' stands twice in the brackets of {owner}")
            found[name] = one
    return found
