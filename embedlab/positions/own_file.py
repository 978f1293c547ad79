"""A scheme's file of the user's own, imported as Python imports any module. Imports torch only with such a file.

A file in a package (its folder has an `__init__.py`) is imported under its real name. Any other gets a package of its
own that spans its folder, so that `from .helpers import f` works beside `import helpers`, and two files of one name in
two folders stay two modules.
"""

import functools
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle

from embedlab.config.errors import OwnCodeError, UserError
from embedlab.runs.file_hashes import import_root, is_beside
from embedlab.runs.signals import STATUSES

PACKAGE = "embedlab_own_"  # and a hash of the folder
MOVED = {  # modules of embedlab 0.2.0 that a scheme's file imported
    "settings": "`from embedlab.positions.config import PositionConfig, Shape, setting`",
}
_beside: dict[str, str] = {}  # modules that own files have imported from their folders: the folder's package
_loaded: dict[Path, tuple[bytes, ModuleType]] = {}  # by whole path, with the source that was run


def load(file: Path) -> ModuleType:
    """Return the module of the file, imported once in a process, and again where its text has changed.

    Raises OwnCodeError, which names the line, for any exception while it is imported.
    """
    path = file.resolve()
    source = path.read_bytes()
    if path in _loaded and _loaded[path][0] == source:
        return _loaded[path][1]
    importlib.import_module("embedlab.positions.base")  # torch first: a module beside the file is not to shadow its own
    root, name = _package_of(path)
    package = name.partition(".")[0]
    sys.modules.pop(name, None)
    for other in [other for other, of in _beside.items() if of != package]:  # another folder's helpers.py
        sys.modules[f"{_beside.pop(other)}.{other}"] = sys.modules.pop(other)
    known = set(sys.modules)
    sys.path.insert(0, str(root))  # as for a script: modules beside the file come first
    try:
        with one_line_errors(file):
            module = importlib.import_module(name) if root != path.parent else _import_alone(path, name)
    finally:
        sys.path.remove(str(root))
    if str(root) not in sys.path:
        sys.path.append(str(root))  # for imports inside functions
    if Path(module.__file__ or "").resolve() != path:
        raise UserError(f"position.file={file} is module {name}, which Python finds in {module.__file__}: rename one")
    # another process may be unable to import these by name: they are pickled with their code
    cloudpickle.register_pickle_by_value(sys.modules[package])
    for new in set(sys.modules) - known:
        if is_beside(Path(getattr(sys.modules[new], "__file__", None) or root.anchor), file):
            cloudpickle.register_pickle_by_value(sys.modules[new])
            if not new.startswith(package):
                _beside[new] = package
    _loaded[path] = source, module
    return module


def _package_of(path: Path) -> tuple[Path, str]:
    """Return the folder for sys.path, and the module's whole name."""
    folder = import_root(path)
    parts = [*path.parent.relative_to(folder).parts, path.stem]
    if folder == path.parent:
        digest = hashlib.sha256(str(folder).encode(errors="surrogateescape")).hexdigest()[:12]
        parts = [PACKAGE + digest, path.stem.replace(".", "_")]
    return folder, ".".join(parts)


def _import_alone(path: Path, name: str) -> ModuleType:
    package = ModuleType(name.partition(".")[0])
    package.__path__ = [str(path.parent)]
    sys.modules.setdefault(package.__name__, package)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def one_line_errors(file: str | Path | None) -> Iterator[None]:
    """Raise OwnCodeError, one line with file and line number, for an exception in the user's file.

    UserErrors pass: they say what to do already. Without a file nothing is caught.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if file is None or (isinstance(error, SystemExit) and error.code in STATUSES):  # a signal's exit
            raise
        raise OwnCodeError(describe(error, Path(file))) from error


def report_methods(own: type, base: type) -> None:
    """Make the public methods and properties of `base` that the user's class `own` defines raise one-line errors."""
    for name, member in list(vars(own).items()):
        if name.startswith("_") or not hasattr(base, name):
            continue
        if isinstance(member, FunctionType):
            setattr(own, name, _report_errors(member))
        elif isinstance(member, property) and member.fget is not None:
            setattr(own, name, property(_report_errors(member.fget), member.fset, member.fdel, member.__doc__))


def _report_errors(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a scheme or of its settings whose exceptions are one line of the scheme's file."""

    @functools.wraps(method)
    def call(self: Any, *given: Any, **named: Any) -> Any:
        config = getattr(self, "config", self)  # a scheme has one, and settings are one
        with one_line_errors(getattr(config, "file", None)):
            return method(self, *given, **named)

    return call


def describe(error: BaseException, file: Path) -> str:
    """Return `position.file=FILE, line N: NameError: …` with a remedy."""
    place, line = locate(error, file)
    same = place.resolve() == file.resolve()
    where = f"position.file={file}" if same else f"position.file={file}: {place}"
    why = str(error.msg if isinstance(error, SyntaxError) else error).strip().partition("\n")[0]
    if isinstance(error, SyntaxError) and same:
        return f"{where} is not valid Python (line {line}): {why}"
    remedy = "HYDRA_FULL_ERROR=1 shows the traceback"
    package, _, module = (getattr(error, "name", None) or "").partition(".")
    if isinstance(error, ModuleNotFoundError) and package == "embedlab" and module in MOVED:
        remedy = f"since version 0.3 it is {MOVED[module]}"
    return f"{where}, line {line}: {type(error).__name__}{': ' if why else ''}{why}; {remedy}"


def locate(error: BaseException, file: Path) -> tuple[Path, int]:
    """Return the file and line to look at: the innermost in the file's folder, else the innermost of all."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return Path(error.filename), error.lineno or 1
    frames = traceback.extract_tb(error.__traceback__)
    near = [frame for frame in frames if is_beside(Path(frame.filename), file)]
    last = (near or frames)[-1]
    return Path(last.filename), last.lineno or 1
