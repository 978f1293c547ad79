"""A name in the namespace package hydra_plugins, from which alone Hydra takes launchers; pyproject.toml installs it."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

with suppress(ImportError):  # without the extra `slurm` there is no such launcher
    from hydra_plugins.hydra_submitit_launcher import submitit_launcher

    class SlurmLauncher(submitit_launcher.SlurmLauncher):  # type: ignore[misc]  # without types
        """`hydra/launcher=slurm`: hydra-submitit-launcher's, but for the waiting."""

        def run(self, jobs: Sequence[Any], overrides: Sequence[list[str]]) -> list[Exception | None]:
            from embedlab.sweep.slurm import run  # submitit: a tenth of a second that other commands need not wait

            return run(self, jobs, overrides)
