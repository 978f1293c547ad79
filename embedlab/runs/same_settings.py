"""Compare the settings of two runs. Imports no torch, so that finished jobs are skipped quickly."""

from typing import Any

from embedlab.config.paths import is_path, same_path

LOCATIONS = ("run_dir", "output_dir", "cache_dir", "sweep_name")  # they do not affect the results


def deciding_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that affect the results, as JSON values, with RUN for the run's own folder."""
    return {key: _json_value(value, config["run_dir"]) for key, value in config.items() if key not in LOCATIONS}


def _json_value(value: Any, run_dir: str) -> Any:
    if isinstance(value, dict):
        return {str(key): _json_value(item, run_dir) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item, run_dir) for item in value]
    return value.replace(run_dir, "RUN") if isinstance(value, str) else value


def differences(then: Any, now: Any, key: str = "") -> list[str]:
    """Return `optimizer.lr=0.002, now 0.01` for each setting that differs."""
    if isinstance(then, dict) and isinstance(now, dict):
        keys = sorted({*then, *now})
        return [line for k in keys for line in differences(then.get(k), now.get(k), f"{key}.{k}".lstrip("."))]
    if key.endswith("._target_"):
        then, now = _class_name(then), _class_name(now)
    if then == now or (is_path(key) and same_path(then, now)):
        return []
    return [f"{key}={then}, now {now}"]


def _class_name(target: Any) -> Any:
    """Return a class path of ours without its module, which is not a setting: versions may move a class."""
    ours = isinstance(target, str) and target.startswith("embedlab.")
    return target.rpartition(".")[2] if ours else target
