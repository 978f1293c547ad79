"""Hydra takes launchers from the namespace hydra_plugins only."""

from embedlab.sweep import processes


class ProcessesLauncher(processes.Processes):
    """`hydra/launcher=processes`."""
