"""The names of what this package brings.

ltbench imports this module whenever it starts, also for ``ltbench --help``. So it imports nothing
but ``hookimpl``, and says where things are as text, ``"module:attribute"``: what the text names is
imported when somebody uses it.
"""

from ltbench import hookimpl

# The version of ltbench's hooks that this was written for. Should they ever change so that this
# package no longer fits, ltbench says so in one sentence instead of failing somewhere.
__ltbench_hooks__ = 1


@hookimpl
def ltbench_algorithms(register):
    """``ltbench run --algo brier,agreement``."""
    register("brier", "ltbench_example.brier:Brier", summary="Brier score as the loss")
    register(
        "agreement",
        "ltbench_example.agreement:Agreement",
        summary="Answers two views of an image alike",
    )


@hookimpl
def ltbench_datasets(register):
    """``ltbench run --dataset stripes``."""
    register("stripes", "ltbench_example.stripes:Stripes", summary="Two domains of drawn stripes")


@hookimpl
def ltbench_stages(register):
    """``ltbench run --algo brier+temperature``."""
    register(
        "temperature",
        "ltbench_example.temperature:Temperature",
        summary="Learns by how much to divide the logits",
    )


@hookimpl
def ltbench_metrics(register):
    """Metrics are computed in every run; there is nothing to switch on."""
    register(
        "domain-gap",
        "ltbench_example.domain_gap:domain_gap",
        summary="Accuracy of the best domain less that of the worst",
        better="lower",
        unit="%",
        head="gap",
        words="gap between domains",
    )


@hookimpl
def ltbench_observers(register):
    """``ltbench run --observer diary``."""
    register("diary", "ltbench_example.diary:Diary", summary="A line in a text file for each run")
