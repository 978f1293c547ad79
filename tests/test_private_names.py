"""Private names of other packages that embedlab uses: each has a reason here, and its package an upper bound."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTED = {"_exit", "_replace", "_asdict", "_fields", "_target_"}  # public, whatever their first letter
PRIVATE = {  # name: (package, why nothing public serves)
    "_internal": ("hydra-core", "the basic sweeper, which ours extends; the parser of options"),
    "_parse_config": ("hydra-core", "an experiment's hydra.sweeper.params, as the basic sweeper reads them"),
    "_return_value": ("hydra-core", "a failed job's error; the property return_value prints and raises it"),
    "_actions": ("Python's argparse", "the options that Hydra's parser knows: it lists them nowhere else"),
    "_ExperimentWriter": (
        "lightning",
        "what CSVLogger writes with; it forgets a metrics.csv that is there",
    ),
    "_batches_that_stepped": (
        "lightning",
        "the step that loggers count by, which a checkpoint holds",
    ),
    "_should_check_val_fx": ("lightning", "whether a validation follows this step: the rule has five settings"),
    "_data_fetcher": ("lightning", "the argument of _should_check_val_fx"),
    "_should_accumulate": ("lightning", "whether gradients wait for another batch, at the end of an epoch too"),
    "_enable_version_counter": ("lightning", "ModelCheckpoint keeps its argument enable_version_counter only here"),
    "_registered": ("submitit", "the jobs to watch: SlurmInfoWatcher's only record of them"),
    "_info_dict": ("submitit", "what SlurmInfoWatcher.get_info returns from"),
    "_last_status_check": ("submitit", "when SlurmInfoWatcher asks again"),
    "_get_outcome_and_result": ("submitit", "a job's result file; result() would ask the watcher first, and raise"),
    "_pat_str": ("tiktoken", "the pattern that splits text is part of an encoding's identity, and has no other name"),
    "_step_supports_amp_scaling": ("torch", "fused AdamW: Lightning refuses to clip gradients where it is set"),
    "_get_file_writer": ("torch", "HParams' own summaries: SummaryWriter writes them only together with a second run"),
}
FOREIGN_ON_SELF = {"_info_dict", "_last_status_check"}  # set in a class that extends another package's


def private_names(source: str, own: set[str]) -> Iterator[str]:
    """Yield the private modules, imported names and attributes in the source, without the package's `own`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) if is_private(name) and name not in own:
                yield name
            case ast.ImportFrom(module=str(module), names=names) if not module.startswith("embedlab"):
                yield from (part for part in module.split(".") if is_private(part))
                yield from (alias.name for alias in names if is_private(alias.name))
            case ast.Import(names=names):
                yield from (part for alias in names for part in alias.name.split(".") if is_private(part))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in DOCUMENTED


def own_names(source: str) -> set[str]:
    """Return what the source defines: functions, classes, names that it assigns, and attributes of self and cls."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Attribute(attr=name, value=ast.Name(id="self" | "cls"), ctx=ast.Store()):
                found.add(name)
    return found


def used() -> dict[str, set[str]]:
    """Return the files that use each private name."""
    sources = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in ROOT.glob("embedlab/**/*.py")}
    own = set().union(*map(own_names, sources.values())) - FOREIGN_ON_SELF
    found = defaultdict(set)
    for path, source in sources.items():
        for name in private_names(source, own):
            found[name].add(path)
    return dict(found)


def test_each_private_name_has_its_reason() -> None:
    assert sorted(used()) == sorted(PRIVATE)


def test_packages_with_private_names_have_upper_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["slurm"]]
    bounded = {re.match(r"[\w-]+", line)[0] for line in asked if "<" in line}
    packages = {package for package, _ in PRIVATE.values() if not package.startswith("Python")}
    assert packages <= bounded


def test_private_names_are_found() -> None:
    source = "from a._b import _c\nimport d._e\nx._f\nself._own = 1\nself._own\nnode._replace(a=1)\nx.__class__\ny._own"
    assert sorted(private_names(source, own_names(source))) == ["_b", "_c", "_e", "_f"]
