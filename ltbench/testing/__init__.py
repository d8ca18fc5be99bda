"""The conformance kit for plugin authors, and small data to test plugins with.

In a plugin's own tests::

    from ltbench.testing import check_conformance

    def test_conformance(tmp_path):
        check_conformance("my-algorithm", tmp_path)

Nothing here needs pytest.
"""

from ltbench.testing.conformance import check_conformance
from ltbench.testing.small_data import SmallDataset, register_small_data
from ltbench.testing.small_model import (
    SmallBackbone,
    SmallTraining,
    build_algorithm,
    build_stage,
    random_batch,
    take_steps,
    train_info,
)

__all__ = [
    "SmallBackbone",
    "SmallDataset",
    "SmallTraining",
    "build_algorithm",
    "build_stage",
    "check_conformance",
    "random_batch",
    "register_small_data",
    "take_steps",
    "train_info",
]
