"""A name in the namespace package hydra_plugins, from which alone Hydra takes launchers; setup.py installs it."""

from embedlab.sweep import processes


class ProcessesLauncher(processes.Processes):
    """`hydra/launcher=processes`."""
