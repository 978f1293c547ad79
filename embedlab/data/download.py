"""Corpora that are downloaded once."""

import logging
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from embedlab.config.corpora import DownloadConfig
from embedlab.config.errors import UserError
from embedlab.runs.file_hashes import known_sha256

log = logging.getLogger(__name__)
TIMEOUT = 15  # seconds without an answer


def download(config: DownloadConfig, cache_dir: Path) -> Path:
    """Return the file of `config.url`, downloaded into `cache_dir`/downloads if it is not there yet.

    Raises UserError if it cannot be downloaded or its sha256 is not the one in the config.
    """
    folder = cache_dir / "downloads"
    path = folder / f"{config.sha256[:16]}-{Path(unquote(urlsplit(config.url).path)).name}"
    if path.is_file() and known_sha256(path, cache_dir) == config.sha256.lower():
        return path  # without pooch, which needs write permission
    import pooch  # slow to import, and rarely needed

    pooch.get_logger().setLevel(logging.WARNING)  # it would log the same again
    log.info("downloading corpus=%s from %s", config.name, config.url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            pooch.retrieve(
                config.url,
                known_hash=f"sha256:{config.sha256}",
                fname=path.name,
                path=folder,
                downloader=pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT),
            )
    except (OSError, ValueError) as error:  # no network, no such page, full disk; another sha256
        raise UserError(
            f"corpus={config.name} could not be downloaded from {config.url} ({_reason(error)}): "
            "fetch it elsewhere and give corpus=files corpus.path=FILE"
        ) from error
    return path


def _reason(error: Exception) -> str:
    """Return the cause in a few words: libraries report it in many lines, some with objects' addresses."""
    if isinstance(error, ValueError) and "hash" in str(error):
        return "its sha256 is not the one in corpus.sha256"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # a full disk
    answer = getattr(error, "response", None)
    return f"HTTP status {answer.status_code}" if answer is not None else type(error).__name__
