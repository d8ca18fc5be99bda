"""One run in Python: what was run, what came out, and the model itself."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltbench.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from ltbench.python.network import Network
    from ltbench.results.run import RunRecord

Place = str | os.PathLike[str]


class Run:
    """One run: a method on a data set under a protocol, with one seed.

    Args:
        record: what is known of it.

    Attributes:
        record: all that is known without opening its large files.
    """

    def __init__(self, record: RunRecord) -> None:
        self.record = record

    def __repr__(self) -> str:
        return f"<run {self.method} on {self.dataset}, seed {self.seed}, {self.status}>"

    @property
    def method(self) -> str:
        """The algorithm with its stages and what differs from the defaults."""
        return self.record.label

    @property
    def dataset(self) -> str:
        """The data set with the options that are not its defaults."""
        from ltbench.report.dataset_labels import dataset_label

        return dataset_label(self.record.dataset, self.record.options)

    @property
    def seed(self) -> int:
        """The seed."""
        return self.record.seed

    @property
    def status(self) -> str:
        """``done``, ``failed``, ``diverged``, ``unfinished`` or ``unreadable``."""
        return self.record.status

    @property
    def reason(self) -> str:
        """Why it failed, in one line; empty where it did not."""
        return self.record.reason

    @property
    def hash(self) -> str:
        """Twelve digits that stand for all that makes it the run it is, except for the seed."""
        return self.record.hash

    @property
    def folder(self) -> Path:
        """Its folder."""
        return Path(self.record.path)

    @property
    def metrics(self) -> dict[str, float]:
        """The test metrics of the chosen model by name; accuracies and F1 in 0…1."""
        return dict(self.record.test)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes.

        Raises:
            DataError: ``spec.json`` does not hold them.
        """
        return tuple(self._facts["classes"])

    @property
    def confusion(self) -> pd.DataFrame:
        """Test images by true class (rows) and answer (columns), over all domains.

        Raises:
            DataError: the run has no result.
        """
        return self.confusion_in()

    def confusion_in(self, domain: str | None = None) -> pd.DataFrame:
        """Return the confusion matrix of one domain, or of all that were tested.

        Raises:
            UsageError: no test image is of such a domain.
            DataError: the run has no result.
        """
        import pandas as pd

        from ltbench.results.documents import read_confusion

        classes, domains = self.classes, self._facts["tested"]
        matrices = read_confusion(self.folder, domains, len(classes))
        if domain is not None and domain not in domains:
            from ltbench.errors import suggestion

            raise UsageError(f"there is no domain '{domain}'{suggestion(domain, domains)}")
        chosen = matrices.sum(0) if domain is None else matrices[domains.index(domain)]
        names = [pd.Index(classes, name=name) for name in ("true", "predicted")]
        return pd.DataFrame(chosen, index=names[0], columns=names[1])

    @property
    def log(self) -> pd.DataFrame:
        """The log: a row for each evaluation, with its losses and validation metrics."""
        import pandas as pd

        from ltbench.results.untrusted import read_log

        return pd.json_normalize(list(read_log(self.folder)))

    @property
    def features(self) -> tuple[NDArray[np.float32], pd.DataFrame]:
        """A sample of the test images' features, (n, F), and a table of what each image is.

        The table has the columns ``class``, ``domain``, ``prediction`` and ``confidence``.

        Raises:
            DataError: the run has no result.
        """
        import numpy as np

        from ltbench.results.documents import read_features

        found = read_features(self.folder)
        index = found["index"].astype(int)
        answers = self.predictions
        if len(index) and not 0 <= index.min() <= index.max() < len(answers):
            raise DataError(f"{self.folder / 'features.npz'} names images that were not tested")
        return found["features"].astype(np.float32), answers.iloc[index].reset_index(drop=True)

    @property
    def predictions(self) -> pd.DataFrame:
        """The answers of the test: ``class``, ``domain``, ``prediction`` and ``confidence``.

        Raises:
            DataError: the run has no result.
        """
        import pandas as pd

        from ltbench.results.documents import read_predictions

        domains, classes = self._facts["domains"], self.classes
        found = read_predictions(self.folder)
        try:
            return pd.DataFrame(
                {
                    "class": [classes[c] for c in found["class"]],
                    "domain": [domains[d] for d in found["domain"]],
                    "prediction": [classes[c] for c in found["prediction"]],
                    "confidence": found["confidence"],
                }
            )
        except (IndexError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.folder / 'predictions.npz'} names classes or domains that the run does "
                "not have"
            ) from error

    def model(self, device: str = "cpu") -> Network:
        """Return the chosen model, ready: logits of what its ``transform`` makes of images.

        Args:
            device: for example ``cpu`` or ``cuda:0``.

        Raises:
            UsageError: the run is not done, or a plugin that it was made with is not here.
        """
        from ltbench.python.network import Network
        from ltbench.training.trained_model import load_trained

        return Network(load_trained(self.folder, device))

    def predict(
        self,
        images: Place | Iterable[Place],
        *,
        top: int = 3,
        prior: str | None = None,
        model_prior: str = "train",
        device: str = "cpu",
    ) -> pd.DataFrame:
        """Return what the chosen model says of images, as ``ltbench predict`` does.

        Args:
            images: files, folders and CSV files that name images.
            top: how many classes to name of each.
            prior, model_prior: how often classes are expected, and how often the model expects
                them.
            device: for example ``cpu`` or ``cuda:0``.

        Returns:
            A row for each image: ``image``, ``prediction``, ``class_1``, ``probability_1``, … and
            ``problem``, why it could not be read.

        Raises:
            UsageError: the run has no model, or there is no such image.
        """
        from ltbench.session.prediction import image_paths, make_predictor, predictions_frame

        places = [images] if isinstance(images, str | os.PathLike) else list(images)
        predictor = make_predictor(
            [self.folder], device=device, prior=prior, model_prior=model_prior
        )
        said: list[str] = []
        paths = image_paths([Path(place) for place in places], said.append)
        for sentence in said:
            warnings.warn(sentence, stacklevel=2)
        return predictions_frame(list(predictor.answers(paths, top)))

    @property
    def _facts(self) -> dict[str, Any]:
        from ltbench.results.documents import read_data_facts

        return read_data_facts(self.folder)
