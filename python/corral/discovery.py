"""Which Django settings a project means, found without running any of its code."""

import sys
from pathlib import Path

from corral.exceptions import ConfigurationError

VARIABLE = "DJANGO_SETTINGS_MODULE"


def find_settings(app: str | None, directory: Path) -> str | None:
    """The settings named by APP's own file (a wsgi.py does), else by manage.py in `directory`.

    Both say `os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")`. None: neither does.
    Raises ConfigurationError when the file is not Python.
    """
    files = [_module_file(app.partition(":")[0], directory)] if app else []
    files.append(directory / "manage.py")
    for file in files:
        if file is not None and (settings := _settings_in(file)):
            return settings
    return None


def _module_file(module: str, directory: Path) -> Path | None:
    relative = Path(*module.split("."))
    for folder in [directory, *map(Path, sys.path)]:
        for candidate in (relative.with_suffix(".py"), relative / "__init__.py"):
            if (folder / candidate).is_file():
                return folder / candidate
    return None


def _settings_in(file: Path) -> str | None:
    try:
        source = file.read_bytes()
    except OSError:
        return None
    if VARIABLE.encode() not in source:
        return None
    import ast

    try:
        tree = ast.parse(source, str(file))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ConfigurationError(
            f"syntax error in {file}:{line}: {getattr(error, 'msg', error)}; "
            "it was read to learn the Django settings, which --settings names too"
        ) from None
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="setdefault"),
                args=[ast.Constant(value=name), ast.Constant(value=str(settings))],
            ) if name == VARIABLE:
                return settings
            case ast.Assign(
                targets=[ast.Subscript(slice=ast.Constant(value=name))],
                value=ast.Constant(value=str(settings)),
            ) if name == VARIABLE:
                return settings
    return None
