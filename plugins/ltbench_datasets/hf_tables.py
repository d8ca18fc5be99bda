"""Reads labels and images out of Parquet and Arrow files, as Hugging Face's data sets write them.

Nothing of such a file is run: columns are read by type and name, and each value is judged.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ltbench.api import DataError, UsageError

IMAGE_NAMES, LABEL_NAMES = ("image", "img", "jpg", "png"), ("label", "labels", "cls", "class")
MOST_BYTES = 2**32  # of one group of rows, unpacked
KEPT = 8  # groups of rows in memory: threads read neighbouring ones
NO_LABEL = None
UNKNOWN = -1  # the number that stands for no label


class Columns(NamedTuple):
    """Which columns hold what.

    Attributes:
        image: the images.
        label: the classes.
        domain: the domains, or empty.
    """

    image: str
    label: str
    domain: str = ""


class Labels(NamedTuple):
    """The labels of a file's rows.

    Attributes:
        labels: of each row, ``None`` of what has none.
        domains: of each row, or empty.
        names: the classes in order where the file declares them, or empty.
    """

    labels: list[str | None]
    domains: list[str | None]
    names: tuple[str, ...]


def pyarrow() -> Any:
    """Return the module that reads these files.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            "Parquet and Arrow files need the extra 'hf': type pip install 'ltbench[hf]'"
        ) from error
    return pa


class RowFile:
    """A Parquet or Arrow file.

    Args:
        path: the file.
        kind: ``parquet`` or ``arrow``.

    Raises:
        DataError: it cannot be read.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.lock = path, threading.Lock()
        self.groups: OrderedDict[int, Any] = OrderedDict()
        pa = pyarrow()
        with _explained(path):
            if kind == "parquet":
                self.parquet: Any = pa.parquet.ParquetFile(path, memory_map=True)
                self.schema, self.rows = self.parquet.schema_arrow, self.parquet.metadata.num_rows
                self.sizes = [
                    self.parquet.metadata.row_group(i).num_rows
                    for i in range(self.parquet.num_row_groups)
                ]
            else:
                self.parquet = None
                source = pa.memory_map(str(path))
                self.table: Any = _opened(pa, source).read_all()
                self.schema, self.rows = self.table.schema, self.table.num_rows

    def columns(self, asked: Columns) -> Columns:
        """Return the names of the columns, found by what they declare where they are not given.

        Raises:
            DataError: there is none, or several and it must be said which.
        """
        features, names = self._features(), self.schema.names
        for what, name in asked._asdict().items():
            if name and name not in names:
                known = ", ".join(names[:12])
                raise DataError(f"{self.path} has no column '{name}' for {what}=, but {known}")
        images = [n for n in names if features.get(n, {}).get("_type") == "Image"]
        labels = [n for n in names if features.get(n, {}).get("_type") == "ClassLabel"]
        labels = [n for n in labels if n != asked.domain]
        return Columns(
            asked.image or self._one(images or _called(names, IMAGE_NAMES), "image"),
            asked.label or self._one(labels or _called(names, LABEL_NAMES), "label"),
            asked.domain,
        )

    def labels(self, columns: Columns) -> Labels:
        """Return the label, and the domain, of every row.

        Raises:
            DataError: a column is of another kind, or a label is none that is declared.
        """
        labels, names = self._texts(columns.label, UNKNOWN)
        domains = self._texts(columns.domain)[0] if columns.domain else []
        return Labels(labels, domains, names)

    def image(self, row: int, column: str) -> Any:
        """Return what a row holds for an image: its bytes, or a mapping of ``bytes`` and ``path``.

        Raises:
            DataError: it cannot be read.
        """
        with _explained(self.path):
            if self.parquet is None:
                return self.table.column(column)[row].as_py()
            group, first = 0, 0
            while row - first >= self.sizes[group]:
                first += self.sizes[group]
                group += 1
            return self._group(group, column)[row - first].as_py()

    def _group(self, group: int, column: str) -> Any:
        with self.lock:
            if group not in self.groups:
                size = self.parquet.metadata.row_group(group).total_byte_size
                if size > MOST_BYTES:
                    raise DataError(
                        f"{self.path}: a group of its rows has {size / 1e9:.1f} GB; write the file "
                        "anew with fewer rows in a group"
                    )
                table = self.parquet.read_row_group(group, columns=[column], use_threads=False)
                table.validate(full=True)
                self.groups[group] = table.column(column)
                if len(self.groups) > KEPT:
                    self.groups.popitem(last=False)
            self.groups.move_to_end(group)
            return self.groups[group]

    def _one(self, found: Sequence[str], what: str) -> str:
        if len(found) == 1:
            return found[0]
        known = ", ".join((found or self.schema.names)[:12])
        cause = "several columns" if found else "no column that is known"
        raise DataError(f"{self.path} has {cause} for the {what}: say {what}=, of {known}")

    def _features(self) -> dict[str, dict[str, Any]]:
        """Return what ``datasets`` declares of the columns, as far as it is a table of tables."""
        try:
            text = (self.schema.metadata or {})[b"huggingface"]
            features = json.loads(text)["info"]["features"]
            return {str(n): f for n, f in features.items() if isinstance(f, dict)}
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return {}

    def _texts(
        self, column: str, unknown: int | None = None
    ) -> tuple[list[str | None], tuple[str, ...]]:
        """Return a column of labels as text, and the names that it declares.

        Args:
            column: its name.
            unknown: the number that stands for none where no names are declared.
        """
        with _explained(self.path):
            if self.parquet is None:
                values = self.table.column(column)
                values.validate(full=True)
            else:
                values = self.parquet.read([column], use_threads=False).column(column)
            types = pyarrow().types
            kind = values.type.value_type if types.is_dictionary(values.type) else values.type
            found = values.to_pylist()
        whole = types.is_integer(kind)
        if not (whole or types.is_string(kind) or types.is_large_string(kind)):
            raise DataError(f"{self.path}: the column '{column}' holds {kind}, no labels")
        names = self._features().get(column, {}).get("names")
        if not whole or not isinstance(names, list):
            return [NO_LABEL if v is None or v == unknown else str(v) for v in found], ()
        declared = tuple(map(str, names))
        if len(set(declared)) < len(declared):
            raise DataError(f"{self.path}: '{column}' declares two classes of one name")
        if wrong := next((v for v in found if v is not None and not -1 <= v < len(names)), None):
            raise DataError(
                f"{self.path}: a label of '{column}' is {wrong}, and {len(names)} are declared"
            )
        return [declared[v] if v is not None and v >= 0 else NO_LABEL for v in found], declared


def _called(names: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Return the first of the usual names that a column has."""
    return [name for name in usual if name in names][:1]


def _opened(pa: Any, source: Any) -> Any:
    """Return a reader of an Arrow file, of whichever of its two forms."""
    try:
        return pa.ipc.open_stream(source)
    except pa.lib.ArrowInvalid:
        return pa.ipc.open_file(source)


class _explained:  # noqa: N801  # reads as a verb: with _explained(path)
    """Let an error of the reader be a sentence that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, DataError | UsageError):
            cause = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(f"{self.path} cannot be read: {cause}") from error
