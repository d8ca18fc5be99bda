"""What people type and write: names, values, sweep files, protocols, registries, tables."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import click
from mutation import ODD_WORDS, mutate_text, mutate_toml

from ltbench.errors import UsageError
from ltbench.plugins.facts import Facts, registry_facts
from ltbench.plugins.hparams import HParams, hparam
from ltbench.plugins.names import (
    Name,
    format_value,
    parse_chains,
    parse_name,
    parse_names,
    parse_value,
)
from ltbench.plugins.resolve import resolve
from ltbench.plugins.toml import load_toml

ROOT = Path(__file__).parents[2]
REGISTRY = sorted((ROOT / "datasets_registry").glob("*.toml"))


class Surface:
    """One kind of input.

    Args:
        folder: of its own, for files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, rng: Random) -> Any:
        """Return an input."""
        raise NotImplementedError

    def read(self, made: Any, number: int) -> None:
        """Have it read; whatever is raised is judged by the campaign."""
        raise NotImplementedError

    def command(self, made: Any) -> list[str]:
        """Return the words of a command that reads it; none where only downloads are read so."""
        return []


def name_text(rng: Random, depth: int = 0) -> str:
    """Return a name by the grammar, with now and then a sign too many or too few."""
    words = ("erm", "brl", "coral", "boda", "crt", "image-folder", "a.b", "x_1", *ODD_WORDS[:12])
    text = rng.choice(words)
    if rng.random() < (0.7 if depth < 3 else 0.1):
        pairs = [
            f"{rng.choice(('alpha', 'loss', 'root', 'a-b', 'é', '', 'x'))}"
            f"{rng.choice(('=', '=', '=', '=', '', '=='))}{value_text(rng, depth + 1)}"
            for _ in range(rng.randrange(4))
        ]
        text += f"[{rng.choice((',', ',', ', ', ''))}".join(["", ",".join(pairs)])
        text += rng.choice(("]", "]", "]", "]", "", "]]"))
    if depth == 0:
        while rng.random() < 0.3:
            text += rng.choice((",", "+", ",,", " , ")) + name_text(rng, 1)
    return text


def value_text(rng: Random, depth: int = 0) -> str:
    """Return a value by the grammar."""
    kind = rng.randrange(7)
    if kind == 0 and depth < 6:
        return f"[{','.join(value_text(rng, depth + 1) for _ in range(rng.randrange(4)))}]"
    if kind == 1 and depth < 6:
        return name_text(rng, depth + 1)
    if kind == 2:
        quote = rng.choice("\"'")
        return f"{quote}{random_text(rng)}{quote}"
    if kind == 3:
        return str(rng.choice((rng.random(), rng.randrange(10**9), 10 ** rng.randrange(400))))
    if kind == 4:
        return rng.choice(ODD_WORDS)
    return random_text(rng)


def random_text(rng: Random) -> str:
    """Return letters, signs of the grammar and others."""
    letters = "ab1.e-_ '\"\\[],+=/\n\t\0\x1b\u202e\u00a0é写"
    return "".join(rng.choice(letters) for _ in range(rng.randrange(12)))


TYPED = (
    "erm,bsoftmax", "boda[weight=0.5]+crt", "brl[alpha=[1e-3,1e-2],bce=false]", "coral[loss=ldam"
    "[s=10,max_m=0.5]]", 'image-folder[root="/a,b/[c]",size=64]', "mdlt[weight_decay=1e-4]",
    "slurm[partition=gpu,gpus=1]", "mislas[mix=true]+crt,focal[gamma=[1,2,3]]",
)  # fmt: skip


class Names(Surface):
    """Names of algorithms, data sets, executors; what is read is printed and read again."""

    def make(self, rng: Random) -> str:
        return name_text(rng) if rng.random() < 0.5 else mutate_text(TYPED, rng)

    def read(self, made: str, number: int) -> None:
        errors = 0
        for parse in (parse_chains, parse_names, parse_name):
            try:
                found = parse(made)
            except UsageError:
                errors += 1
                continue
            flat = found if isinstance(found, list) else [found]
            flat = [name for part in flat for name in (part if isinstance(part, list) else [part])]
            for name in flat[:20]:
                assert parse_name(str(name)) == name, f"{name!r} prints as {name}"
        if errors == 3:
            raise UsageError("no grammar takes it")

    def command(self, made: str) -> list[str]:
        words = ["run", "--algo", made, "--dataset", "digits-mini-mlt", "--dry-run", "--seeds", "1"]
        return [word.replace("\0", "").encode(errors="replace").decode() for word in words]


class Everything(HParams):
    """A hyper-parameter of every type."""

    truth: bool = hparam(False)
    whole: int = hparam(1, low=0, high=10**6)
    any_whole: int = hparam(1)
    share: float = hparam(0.5, low=0.0, high=1.0)
    number: float = hparam(0.5)
    text: str = hparam("")
    choice: str = hparam("a", choices=("a", "b"))
    several: tuple[float, ...] = hparam(())


class Values(Surface):
    """Values of hyper-parameters of every type, of seeds and of times."""

    def make(self, rng: Random) -> str:
        return value_text(rng) if rng.random() < 0.7 else mutate_text(["0.5", "a", "[1,2]"], rng)

    def read(self, made: str, number: int) -> None:
        from ltbench.cli.option_values import Seconds
        from ltbench.cli.options import parse_seeds

        value = parse_value(made)
        again = parse_value(format_value(value))
        assert (again, type(again)) == (value, type(value)), f"{value!r}: {format_value(value)}"
        problems = []
        for key in Everything.bounds():
            try:
                Everything.from_options({key: value}, "x")
            except UsageError as error:
                problems.append(str(error))
        assert all(text.isprintable() for text in problems), problems
        for read in (parse_seeds, lambda text: Seconds().convert(text, None, None)):
            try:
                read(made)
            except (UsageError, click.ClickException):
                problems.append("")
        str(Name("x", {"a": value}))
        if len(problems) == len(Everything.bounds()) + 2:
            raise UsageError("nothing takes it")

    def command(self, made: str) -> list[str]:
        text = made.replace("\0", "").encode(errors="replace").decode()
        return [
            "run",
            "--algo",
            f"focal[gamma={text}]",
            "--dataset",
            "digits-mini-mlt",
            "--dry-run",
        ]


SWEEPS = (
    """algo = ["erm", "boda+crt", "brl"]
dataset = "digits-mini-mlt"
seeds = 5
steps = 300
lr = 1e-3
executor = "slurm[partition=gpu,gpus=1]"
draw-seed = 3

[hparams.brl]
alpha = {low = 1e-3, high = 1, log = true, draws = 8}

[hparams.boda]
weight = [0.1, 0.5]
""",
    """algo = "brl[bce=true],focal"
dataset = ["digits-mini-mlt"]
seeds = [0, 3, 7]
observer = ["csv"]
hparams.focal.gamma = "search"
draws = 4
pretrained = false
decay-at = [0.6, 0.8]
out = "runs"
[ablation]
brl = ["cb", "rb"]
""",
    """algo = ["focal", "coral", "boda"]
dataset = "digits-mini-mlt"
[hparams.focal]
gamma = {search = true, draws = 3}
[hparams.coral]
loss = ["bsoftmax", "ldam[s=10]"]
[protocol]
like = "mdlt"
weight-decay = [1e-4, 5e-4]
""",
)


class Sweeps(Surface):
    """Sweep files, as far as the names of their runs."""

    def make(self, rng: Random) -> bytes:
        return mutate_toml(SWEEPS, rng).encode(errors="replace")

    def read(self, made: bytes, number: int) -> None:
        from ltbench.cli.run import run
        from ltbench.session.expand import expand_algos

        path = self.folder / "sweep.toml"
        path.write_bytes(made)
        context = run.make_context("run", [str(path)])
        file, algos = context.params["file"], context.params["algos"]
        for text in expand_algos(algos, file, own=True)[:50]:
            for name in parse_chains(text)[0]:
                kinds = "algorithms" if name.name != "crt" else "stages"
                resolve(kinds, name.name, name.options)

    def command(self, made: bytes) -> list[str]:
        path = self.folder / "sweep.toml"
        path.write_bytes(made)
        return ["run", str(path), "--dry-run"]


class Registries(Surface):
    """The facts of data sets, with what is computed of them before an image is read."""

    texts = tuple(path.read_text(encoding="utf-8") for path in REGISTRY)

    def make(self, rng: Random) -> bytes:
        return mutate_toml(self.texts, rng).encode(errors="replace")

    def read(self, made: bytes, number: int) -> None:
        from ltbench.data.fetch import Source

        path = self.folder / "facts.toml"
        path.write_bytes(made)
        facts = Facts.from_toml(path)
        for source in facts.sources:
            Source.from_facts(source)
        assert facts.size > 0
        assert all(isinstance(name, str) for name in (*facts.domains, *facts.classes))

    def command(self, made: bytes) -> list[str]:
        """Return one that reads them as those of a plugin's data set."""
        (self.folder / "mine.toml").write_bytes(made)
        plugin = self.folder / "mine.py"
        plugin.write_text(
            "from pathlib import Path\n"
            "from ltbench.api import Dataset, Facts\n"
            "class Mine(Dataset):\n"
            "    @property\n"
            "    def facts(self):\n"
            "        return Facts.from_toml(Path(__file__).with_suffix('.toml'))\n"
            "    def missing(self):\n"
            "        return 'there are no images'\n"
        )
        return ["--plugin", str(plugin), "data", "info", "mine"]


class Protocols(Surface):
    """The protocols that facts hold, and every setting of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        parts = (text.split("[protocols", 1)[1].split("[[", 1)[0] for text in Registries.texts)
        self.texts = [f"[protocols{part}" for part in parts]
        self.head = (
            'title = "x"\nclasses = 3\ndomains = ["a"]\nimage = {size = 8}\n'
            "shots = {many = 9, few = 2}\n"
        )

    def make(self, rng: Random) -> bytes:
        return (self.head + mutate_toml(self.texts, rng)).encode(errors="replace")

    def read(self, made: bytes, number: int) -> None:
        from ltbench.results.protocol import Protocol, epochs_to_steps
        from ltbench.session.protocols import protocol_of

        path = self.folder / "facts.toml"
        path.write_bytes(made)
        facts = Facts.from_toml(path)
        for name in facts.protocols:
            settings = protocol_of(facts, Name(name))
            settings.pop("backbone", None)
            settings.pop("pretrained", None)
            Protocol.from_options(epochs_to_steps(settings, 100, 2), "protocol").sized(facts)

    command = Registries.command


class ProtocolFiles(Surface):
    """A protocol of one's own, in a file and in brackets."""

    texts = (
        'like = "mdlt"\nweight_decay = 1e-4\naugmentation = "photo"\nepochs = 3\n',
        'backbone = "digits-cnn"\nsteps = 5\naugmentation = ["crop-flip", "cutout[size=[4,8]]"]\n',
        'backbone = "digits-cnn"\nsteps = 5\ndecay_at = [0.5, 0.75]\nschedule = "step"\n',
        'like = "digits-mini"\npretrained = false\neval-every = 2\nbatch-size = 8\nname = "x"\n',
    )

    def make(self, rng: Random) -> bytes:
        return mutate_toml(self.texts, rng).encode(errors="replace")

    def read(self, made: bytes, number: int) -> None:
        from ltbench.results.protocol import Protocol, epochs_to_steps
        from ltbench.session.protocols import asked_protocols, protocol_of, table_text

        path = self.folder / "mine.toml"
        path.write_bytes(made)
        facts = registry_facts("digits-mini-mlt")
        text = str(path)
        if number % 2:  # as the table of a sweep file
            try:
                text = table_text(load_toml(made.decode()), "sweep.toml")
            except ValueError as error:
                raise UsageError(str(error)) from error
        for asked in asked_protocols(text)[:50]:
            settings = protocol_of(facts, asked)
            plain = {k: v for k, v in settings.items() if k not in ("backbone", "pretrained")}
            Protocol.from_options(epochs_to_steps(plain, 100, 2), "protocol").as_dict()

    def command(self, made: bytes) -> list[str]:
        path = self.folder / "mine.toml"
        path.write_bytes(made)
        what = ["--algo", "erm", "--dataset", "digits-mini-mlt", "--seeds", "1", "--dry-run"]
        return ["run", *what, "--protocol", str(path)]


TABLES = (
    "path,label,domain,split\na/1.jpg,moth,day,train\na/2.jpg,bee,day,val\na/3.jpg,bee,night,test\n",
    "path,label\n" + "".join(f"{c}/{n}.jpg,{c}\n" for c in "ab" for n in range(20)),
    'path,label,domain\n"a/b, c.jpg","Noctua ""L.""",x\n'
    + "".join(f"a/{n}.jpg,bee,x\n" for n in range(30)),
)


class Tables(Surface):
    """Tables of images of ``image-folder``, and official splits."""

    def make(self, rng: Random) -> bytes:
        text = mutate_text(TABLES, rng)
        return text.encode("utf-16" if rng.random() < 0.02 else "utf-8", errors="replace")

    def read(self, made: bytes, number: int) -> None:
        from ltbench.data.catalogue import open_dataset

        path = self.folder / "images.csv"
        path.write_bytes(made)
        open_dataset(Name("image-folder", {"root": str(path)}), self.folder)

    def command(self, made: bytes) -> list[str]:
        path = self.folder / "images.csv"
        path.write_bytes(made)
        return ["data", "info", f"image-folder[root={path}]"]
