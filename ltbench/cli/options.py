"""The options that commands share: what to train, under which protocol, where, and with what said.

Each group has a heading of its own in ``--help``. That of the protocol is made of the class.
"""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench.cli.completion import (
    complete_backbones,
    complete_methods,
    complete_preprocessing,
    complete_protocols,
    plugin_completer,
)
from ltbench.cli.option_values import NameOf, Seconds, SettingValue
from ltbench.cli.presets import take_preset
from ltbench.errors import SHOWN, UsageError
from ltbench.plugins.hparams import LARGEST_WHOLE
from ltbench.plugins.names import check_count
from ltbench.plugins.text import visible
from ltbench.results.arithmetic import AUTO, MEMORY_FORMATS, PRECISIONS
from ltbench.results.protocol import ProtocolSetting, protocol_settings
from ltbench.results.tuned import axes_text
from ltbench.session.axes import Search
from ltbench.waiting import end_waiting, waiting

if TYPE_CHECKING:
    from ltbench.session.session import Session

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_NOT_GIVEN = click.core.ParameterSource.DEFAULT


class GroupedCommand(click.Command):
    """A command whose help has its options under the headings of :func:`group`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "heading", "Other"), []).append(record)
        for heading in sorted(groups, key=lambda heading: heading == "Other"):
            with formatter.section(heading):
                formatter.write_dl(groups[heading])


def group(heading: str, *options: Decorator) -> Decorator:
    """Return a decorator that adds options to a command, in their order, under a heading."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
            command.__click_params__[-1].heading = heading  # type: ignore[attr-defined]
        return command

    return decorate


def _setting_option(setting: ProtocolSetting) -> Decorator:
    text = f"{setting.bounds.help[:1].upper()}{setting.bounds.help[1:]}."
    if setting.kind is bool:
        names = f"{setting.option}/{setting.off}"
        return click.option(names, setting.name, default=None, help=text)
    choices = setting.bounds.choices
    kind: click.ParamType[Any]
    if choices:
        kind = (NameOf if len(choices) > SHOWN else click.Choice)(choices)
    else:
        kind = SettingValue(setting)
    named = setting.bounds.names
    completer = plugin_completer(named, between=">") if named else None
    return click.option(
        setting.option, setting.name, type=kind, help=text, shell_complete=completer
    )


_shown = functools.partial(click.option, show_default=True)
_names = functools.partial(click.option, multiple=True, metavar="NAMES")


WHAT = "What"
PROTOCOL = "Protocol, by default the data set's own"
FOLDERS = "Folders"
WHERE = "Where"
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FROM_ONE = click.IntRange(min=1)

weights_option = click.option(
    "--weights",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Local checkpoint that the backbone starts from.",
)
preprocessing_option = click.option(
    "--preprocessing",
    metavar="NAME",
    shell_complete=complete_preprocessing,
    help="What images pass through: weights, dataset, imagenet, inception, clip, "
    "[mean=…,std=…,interpolation=bicubic,crop=0.9], or a JSON file.  [default: weights]",
)
data_dir_option = click.option(
    "--data-dir",
    type=_FOLDER,
    help="Folder of the data sets.  [default: LTBENCH_DATA or the user's data folder]",
)
runs_option = _shown("--out", type=_FOLDER, default=Path("runs"), help="Folder of the runs.")
where_options = group(
    WHERE,
    _shown("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps."),
    click.option("--jobs", type=_FROM_ONE, help="Runs at a time.  [default: one a core or GPU]"),
    click.option(
        "--jobs-per-device",
        type=_FROM_ONE,
        help="Runs that share a GPU; all CPU cores are one device.  [default: up to 4 on a GPU "
        "where networks are small, else 1]",
    ),
    click.option(
        "--timeout",
        type=Seconds(),
        metavar="TIME",
        help="Stop a run after so long, at a checkpoint, and count it as failed: 90, 10m, 2h.",
    ),
    _shown(
        "--executor",
        default="local",
        metavar="NAME",
        shell_complete=plugin_completer("executors"),
        help="Where runs are carried out: local, ray[gpus=0.5], slurm[partition=gpu,gpus=1].",
    ),
    click.option(
        "--ray-address",
        metavar="HOST:PORT",
        help="Carry the runs out on this Ray cluster; short for --executor ray[address=…].",
    ),
)
protocol_options = group(
    PROTOCOL,
    click.option(
        "--protocol",
        metavar="NAME",
        shell_complete=complete_protocols,
        help="A protocol's name, mdlt[weight_decay=1e-4], or a file of one's own; lists sweep.",
    ),
    click.option(
        "--backbone",
        metavar="NAME",
        shell_complete=complete_backbones,
        help="digits-cnn, any model of timm, or hf-hub:ORG/MODEL; NAME[adapt=lora] trains a part.",
    ),
    click.option(
        "--pretrained/--no-pretrained",
        default=None,
        help="Start from the weights that timm names, or from scratch.",
    ),
    weights_option,
    preprocessing_option,
    _shown(
        "--precision",
        type=click.Choice([AUTO, *PRECISIONS]),
        default=AUTO,
        help="Number format of the network's arithmetic; auto measures which is the fastest here.",
    ),
    click.option(
        "--memory-format",
        type=click.Choice([AUTO, *MEMORY_FORMATS]),
        help="Order of weights and features in memory; auto measures it too.  [default: auto "
        "beside --precision auto, else as the device had it]",
    ),
    *map(_setting_option, protocol_settings().values()),
)


def search_option(text: str, shown: str) -> Decorator:
    """Return the option ``--search``, comma-separated or repeated.

    Args:
        text: its help.
        shown: its default, in words.
    """
    return click.option(
        "--search", multiple=True, metavar="AXES", help=f"{text}  [default: {shown}]"
    )


def sweep_options(*more: Decorator) -> Decorator:
    """Return a decorator that adds what ``run`` and ``tune`` share.

    Args:
        more: what else says what to run.
    """
    what = group(
        WHAT,
        _names(
            "--algo",
            "algos",
            required=True,
            shell_complete=complete_methods,
            help="Algorithms, comma-separated or repeated: erm, brl[alpha=1], boda@ema+crt.",
        ),
        _names(
            "--dataset",
            "datasets",
            required=True,
            shell_complete=plugin_completer("datasets", between=","),
            help="Data sets, comma-separated or repeated; NAME[unseen=each] keeps each domain from "
            "training, one by one.",
        ),
        click.option(
            "--preset",
            is_eager=True,
            callback=take_preset,
            metavar="NAME",
            shell_complete=plugin_completer("presets"),
            help="A method as it is known, with its network and protocol; what is typed beside it "
            "wins. `ltbench plugins list` names them.",
        ),
        *more,
    )
    folders = group(FOLDERS, runs_option, data_dir_option)
    return lambda command: what(protocol_options(where_options(folders(command))))


def output_options(dry_run: str, as_json: str, *more: Decorator) -> Decorator:
    """Return a decorator that adds what says who is told, and how.

    Args:
        dry_run: what ``--dry-run`` prints.
        as_json: what ``--json`` prints.
        more: options of this command alone.
    """
    observer = (
        "Who is told what happens, comma-separated or repeated: csv, tensorboard, "
        "wandb[project=moths].  [default: bars in a terminal, else lines]"
    )
    return group(
        "Progress and output",
        _names(
            "--observer",
            "observers",
            shell_complete=plugin_completer("observers", between=","),
            help=observer,
        ),
        click.option("--dry-run", is_flag=True, help=f"Print {dry_run} and stop."),
        *more,
        click.option("--quiet", "-q", is_flag=True, help="No progress."),
        click.option("--json", "as_json", is_flag=True, help=f"Print {as_json}."),
    )


def open_session(ctx: click.Context, **others: Any) -> Session:
    """Return the session that the options of a command describe.

    Args:
        ctx: of the command.
        others: arguments of the session that no option gives.
    """
    with waiting("Loading PyTorch", show=not is_quiet(ctx)):
        from ltbench.session.session import Session

        return Session(
            observers=ctx.params["observers"],
            quiet=is_quiet(ctx),
            say=_say,
            command=["ltbench", *sys.argv[1:]],
            **values(ctx, FOLDERS, WHERE),
            **others,
        )


def _say(sentence: str) -> None:
    end_waiting()
    click.echo(sentence, err=True)


def check_names(ctx: click.Context) -> None:
    """Check what a command that trains was told, before anything heavy is imported.

    Raises:
        UsageError: a name or a file is not there; the message suggests the nearest.
    """
    from ltbench.session.asked import check_asked, check_place, check_tables

    check_place(*(ctx.params[name] for name in ("executor", "device", "observers")))
    if "algos" not in ctx.params:  # the runs' own files say what they are
        return
    algos, file = ctx.params["algos"], ctx.params.get("file")
    given = ("data_dir", "protocol", "backbone", "weights", "preprocessing", "augmentation")
    check_asked(algos, ctx.params["datasets"], **{name: ctx.params[name] for name in given})
    if file:
        check_tables(algos, file, own=has_own(ctx, "algos"))


def has_own(ctx: click.Context, name: str) -> bool:
    """Return whether the value of an option stands in the sweep file."""
    return ctx.get_parameter_source(name) is click.core.ParameterSource.DEFAULT_MAP


def is_quiet(ctx: click.Context) -> bool:
    """Return whether a command that trains shows no progress."""
    return bool(ctx.params["quiet"] or ctx.params["as_json"])


def values(ctx: click.Context, *headings: str) -> dict[str, Any]:
    """Return the values of the options under some headings, by name.

    What is typed wins over what a sweep file says under another name.
    """
    from ltbench.session.protocols import meanings

    found = {
        str(parameter.name): ctx.params[str(parameter.name)]
        for parameter in ctx.command.params
        if getattr(parameter, "heading", "") in headings
    }
    own = {name for name, value in found.items() if value is not None and has_own(ctx, name)}
    typed = {name: value for name, value in found.items() if value is not None and name not in own}
    for name in own:
        if meanings({name: found[name]}) & meanings(typed):
            found[name] = None
    return found


def setting_words(ctx: click.Context) -> str:
    """Return the options that were given and decide what a run is or where it lies.

    For commands to be typed next, which shall mean the same data, protocol and folders.
    """
    words = []
    deciding = values(ctx, PROTOCOL, FOLDERS)
    for parameter in ctx.command.params:
        value = deciding.get(str(parameter.name))
        if value is None or ctx.get_parameter_source(str(parameter.name)) is _NOT_GIVEN:
            continue
        on, off = parameter.opts[0], parameter.secondary_opts
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words += [on if value else off[0]] if off else [on, text]
    return "".join(f" {word}" for word in map(shlex.quote, words))


def search_words(search: Search) -> str:
    """Return the option that asks for a search again, if axes were asked for."""
    text = axes_text(search.axes, search.starts)
    return f" --search {shlex.quote(text)}" if text else ""


def parse_seeds(text: str) -> list[int]:
    """Return the seeds for ``"5"`` (0…4), ``"0,3,7"`` or ``"3,"`` (that one alone).

    Raises:
        UsageError: it is neither a positive number nor a list of different seeds, or there are too
            many of them.
    """
    shown = visible(text)
    try:
        numbers = [int(part) for part in text.removesuffix(",").split(",")]
    except ValueError:
        numbers = [-1]
    if "," not in text:
        if numbers[0] < 1:
            raise UsageError(
                f"--seeds {shown}: give a number of seeds from 1, or a list like 0,3,7"
            )
        check_count(numbers[0], f"--seeds {text}")
        return list(range(numbers[0]))
    if min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise UsageError(
            f"--seeds {shown}: a list of seeds holds different numbers from 0, like 0,3,7"
        )
    if max(numbers) > LARGEST_WHOLE:
        raise UsageError(f"--seeds {shown}: a seed is a number of at most 64 bits")
    return numbers
