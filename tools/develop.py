"""Installs the working tree into .venv as an editable package.

    .venv/bin/python tools/develop.py BUILD_DIR

It leaves what an editable install leaves (a .pth file to python/, the console scripts of
pyproject.toml, a dist-info that importlib.metadata and uv understand) and a link
python/corral/_core… to the module that CMake keeps up to date in BUILD_DIR. An edit of Python
needs no step at all, an edit of C++ only the incremental build, and start-up pays for no import
hook. Files are rewritten only when they would change.
"""

import os
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "corral"

SCRIPT = """\
#!{python}
import sys

from {module} import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes `text` to `path` unless it is there already."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def link_extension(build: Path) -> None:
    """Links corral._core into the package."""
    name = "_core" + sysconfig.get_config_var("EXT_SUFFIX")
    built, link = build.resolve() / name, PACKAGE / name
    if not built.exists():
        sys.exit(f"develop: {built} is not built")
    target = os.path.relpath(built, PACKAGE)
    if link.is_symlink() and os.readlink(link) == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def install(project: dict, site: Path, scripts: Path) -> None:
    """Writes the .pth file, the console scripts and the dist-info."""
    info = site / f"{project['name']}-{project['version']}.dist-info"
    for stale in site.glob(f"{project['name']}-*.dist-info"):
        if stale != info:
            for file in stale.iterdir():
                file.unlink()
            stale.rmdir()

    written = [site / f"{project['name']}.pth"]
    write(written[0], f"{ROOT / 'python'}\n")
    for name, target in project["scripts"].items():
        module, function = target.split(":")
        script = SCRIPT.format(python=sys.executable, module=module, function=function)
        written.append(scripts / name)
        write(scripts / name, script, 0o755)

    metadata = "Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nSummary: {description}\n"
    entry_points = "".join(f"{name} = {target}\n" for name, target in project["scripts"].items())
    direct_url = '{"url": "%s", "dir_info": {"editable": true}}\n' % ROOT.as_uri()  # noqa: UP031
    files = {
        "METADATA": metadata.format(**project),
        "entry_points.txt": f"[console_scripts]\n{entry_points}",
        "direct_url.json": direct_url,
        "INSTALLER": "corral-develop\n",
    }
    for name, text in files.items():
        write(info / name, text)
        written.append(info / name)
    written.append(info / "RECORD")
    record = "".join(f"{os.path.relpath(path, site)},,\n" for path in written)
    write(info / "RECORD", record)


def main() -> None:
    """Installs; the only argument is CMake's build folder."""
    if sys.prefix == sys.base_prefix or len(sys.argv) != 2:
        sys.exit("usage: .venv/bin/python tools/develop.py BUILD_DIR")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    link_extension(Path(sys.argv[1]))
    install(project, Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("scripts")))


if __name__ == "__main__":
    main()
