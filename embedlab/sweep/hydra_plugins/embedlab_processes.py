"""A name in the namespace package hydra_plugins, from which alone Hydra takes launchers; pyproject.toml installs it."""

from embedlab.sweep import processes


class ProcessesLauncher(processes.Processes):
    """`hydra/launcher=processes`."""
