"""An observer: it is told what happens in a sweep, and changes nothing."""

from ltbench.api import Observer, hookimpl


class Diary(Observer):
    """Writes a line into ``diary.txt``, beside the folders of a method's seeds, for each run.

    Hooks are called in the process that started the sweep, one at a time. They may leave out
    arguments; ``run`` says what was run, and ``folder`` is the run's own.
    """

    @hookimpl
    def ltbench_run_finished(self, run, folder, result):
        """Say how a run ended; one that failed has an ``error`` and no ``test``."""
        end = f"accuracy {result['test']['accuracy']:.3f}" if "test" in result else result["error"]
        with (folder.parent / "diary.txt").open("a", encoding="utf-8") as diary:
            diary.write(f"{run.label} on {run.dataset.name}, seed {run.seed}: {end}\n")
