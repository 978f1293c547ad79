"""The event file that callbacks write to."""

from lightning import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.tensorboard import SummaryWriter


def summary_writer(trainer: Trainer) -> SummaryWriter | None:
    """Return the writer of the run's event file; None without a TensorBoard logger and on ranks other than 0."""
    if not trainer.is_global_zero:
        return None
    loggers = (logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger))
    return next((logger.experiment for logger in loggers), None)
