"""The catalogue of positional schemes: one file each, found by its name.

`positions/rotary.py` holds `RotaryConfig` (its settings) and the module that `RotaryConfig.build` returns; nothing
else refers to it. A scheme of your own is a file of the same form outside the package, named by the setting `file`; it
is imported as any module, by own_file.py.

Settings must be checked before torch is imported (1.5 s), yet they stand beside the module that needs torch. Of a
scheme that ships, `config_class` therefore reads the source and runs its `...Config` class alone, much as setuptools
reads `__version__` without importing a package; `build` imports the file itself and uses the real class.
"""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from embedlab.config.errors import UserError
from embedlab.config.home import expand_user
from embedlab.config.omegaconf_errors import complaint, describe_wrong_value, show_value
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.own_file import load, one_line_errors

if TYPE_CHECKING:
    from embedlab.positions.base import Scheme

NOT_SCHEMES = {"__init__", "base", "check", "composed", "config", "distance_rows", "hook_shapes", "own_file", "site"}
LIGHT = {  # what a config class may use
    "embedlab.config.errors",
    "embedlab.config.settings",
    "embedlab.positions",
    "embedlab.positions.config",
    *sys.stdlib_module_names,
}


def names() -> list[str]:
    """Return the names of all schemes that ship, in alphabetical order."""
    stems = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted(stem for stem in stems if stem not in NOT_SCHEMES)


def build(
    name: str,
    *,
    embedding_dim: int,
    n_heads: int,
    n_layers: int,
    context_length: int,
    n_steps: int | None = None,
    token_rms: float | None = None,
    run_seed: int = 0,
    file: str | None = None,
    **settings: Any,
) -> "Scheme":
    """Build the scheme `name` for a model of this shape; `settings` are the fields of its config class.

    Raises UserError if the name or a setting is unknown, a value cannot be used, or the number of heads does not
    divide the width.
    """
    made_by = _whole_config_class(name, file)
    with one_line_errors(file):
        try:
            config = made_by(name=name, file=file, **settings)
        except TypeError as error:
            raise UserError(f"position={name}: {error}") from error
    return _build(config, Shape(embedding_dim, n_heads, n_layers, context_length, n_steps, token_rms, run_seed))


def build_from(config: PositionConfig, shape: Shape) -> "Scheme":
    """Build the scheme of a checked config, whose class may have been read without the rest of its file."""
    settings = {item.name: getattr(config, item.name) for item in fields(config)}
    return build(**settings, **shape._asdict())


def _build(config: PositionConfig, shape: Shape) -> "Scheme":
    if shape.embedding_dim % shape.n_heads:
        raise UserError(
            f"model.embedding_dim={shape.embedding_dim} is not divisible by model.n_heads={shape.n_heads}: "
            "change one of them"
        )
    config.validate(shape)
    return config.build(shape)


def configure(spec: Any, override: str = "position") -> PositionConfig:
    """Return the typed settings of a scheme given as its name or as {name: …, settings}.

    Raises UserError, which names the override, if they are none.
    """
    spec = {"name": spec} if isinstance(spec, str) else spec
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
        raise UserError(f"{override}={spec} names no scheme: give a name or {{name: NAME, SETTING: VALUE}}")
    found = config_class(spec["name"], spec.get("file"))
    with one_line_errors(spec.get("file")):
        typed = OmegaConf.structured(found)
        try:
            for key, value in spec.items():  # one after another: OmegaConf's errors do not always name theirs
                typed = OmegaConf.merge(typed, {key: value})
            return OmegaConf.to_object(typed)  # type: ignore[return-value]  # the schema's class
        except (OmegaConfBaseException, AttributeError, TypeError) as error:
            wrong_value = describe_wrong_value(error, f"{override}.{key}={show_value(value)}")
            raise UserError(wrong_value or f"{override}={spec['name']}: {complaint(error)}") from error


def camel(name: str) -> str:
    """Convert `bert_relative` to `BertRelative`, the config class's name without its final `Config`."""
    return "".join(part.capitalize() for part in name.split("_"))


def snake(name: str) -> str:
    """Convert `BertRelative` to `bert_relative`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def source_file(name: str, file: str | None = None) -> Path:
    """Return the file that defines the scheme. Raises UserError if there is none."""
    if file is not None:
        path = Path(expand_user(file, "position.file"))
        if not path.is_file():
            raise UserError(f"position.file={file} does not exist: give the file that defines {camel(name)}Config")
        return path
    if name not in names():
        raise UserError(f"position={name} is unknown: give one of {', '.join(names())}, or position.file")
    return Path(__file__).with_name(f"{name}.py")


def config_class(name: str, file: str | None = None) -> type[PositionConfig]:
    """Return the scheme's config class: of one that ships without importing torch."""
    path = source_file(name, file)
    if file is not None:
        return _own_config_class(name, path)
    light = ast.Module(list(_light_parts(ast.parse(path.read_text(encoding="utf-8")))), type_ignores=[])
    namespace: dict[str, Any] = {"__name__": "embedlab.config.settings"}
    exec(compile(light, str(path), "exec", dont_inherit=True), namespace)
    found: type[PositionConfig] = namespace[f"{camel(name)}Config"]
    return found


def _is_own_config(kind: Any, module: str) -> bool:
    """Return whether `kind` is a class of settings that the module itself defines."""
    return isinstance(kind, type) and issubclass(kind, PositionConfig) and kind.__module__ == module


def _own_config_class(name: str, path: Path) -> type[PositionConfig]:
    """Return the config class of a user's file. Raises UserError if it has none that can hold settings."""
    module = load(path)
    found = getattr(module, f"{camel(name)}Config", None)
    if found is None:
        own = [one for one, kind in vars(module).items() if _is_own_config(kind, module.__name__)]
        hint = f"; for {own[0]}, give position.name={snake(own[0].removesuffix('Config'))}" if own else ""
        raise UserError(f"{path} defines no class {camel(name)}Config: name it after position.name={name}{hint}")
    if not is_dataclass(found) or (vars(found).get("__annotations__") and "__dataclass_fields__" not in vars(found)):
        raise UserError(f"{path}: {camel(name)}Config is no dataclass: write @dataclass(slots=True) above it")
    return found  # type: ignore[return-value]  # the user's


def _whole_config_class(name: str, file: str | None) -> type[PositionConfig]:
    """Return the config class whose `build` finds the rest of its file."""
    path = source_file(name, file)
    if file is not None:
        return _own_config_class(name, path)
    found: type[PositionConfig] = getattr(importlib.import_module(f"embedlab.positions.{name}"), f"{camel(name)}Config")
    return found


def _light_parts(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield config classes, the constants they may use, and imports that cost nothing."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name=class_name) if class_name.endswith("Config"):
                yield node
            case ast.ImportFrom(module=str(module)) if module in LIGHT or module.split(".")[0] in LIGHT:
                yield node
            case ast.Import(names=aliases) if all(alias.name.split(".")[0] in LIGHT for alias in aliases):
                yield node
            case ast.Assign(value=value) if _is_literal(value):
                yield node


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True
