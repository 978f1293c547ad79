"""A run: module, trainer, callbacks, costs, checkpoints and resuming."""
