"""A name in the namespace package hydra_plugins, from which alone Hydra takes sweepers; pyproject.toml installs it."""

from embedlab.sweep import sweeper


class Sweeper(sweeper.Sweeper):
    """`hydra/sweeper=resumable`."""
