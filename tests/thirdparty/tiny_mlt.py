"""A third party's plugin: a tiny data set and an algorithm that misbehaves on demand."""

from ltbench import hookimpl


@hookimpl
def ltbench_datasets(register):
    register("tiny-mlt", "tiny_mlt_dataset:TinyMLT", summary="Two domains of coloured squares")


@hookimpl
def ltbench_algorithms(register):
    register("misbehave", "tiny_mlt_algorithm:Misbehave", summary="ERM that fails as it is told")
