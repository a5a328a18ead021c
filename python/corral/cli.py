"""The command line: `corral`, `python -m corral` and `manage.py corral`.

The first lines run on every Python that somebody might have, so this file keeps to syntax that old
ones can parse, and imports the rest of Corral only after the check.
"""

# ruff: noqa: E402, UP031

import sys

PYTHON_MIN = (3, 14)

if sys.version_info < PYTHON_MIN:
    sys.exit(
        "corral: error: Python %d.%d is needed and this is %d.%d (%s); "
        "install Corral into an environment made with a newer Python"
        % (PYTHON_MIN + tuple(sys.version_info[:2]) + (sys.executable,))
    )

import argparse
from pathlib import Path

from corral import __version__
from corral.config import Config, load, misspelt_variables, suggest
from corral.exceptions import ConfigurationError
from corral.settings_table import SETTINGS

COMMANDS = {
    "serve": "serve a site and run its background work",
    "work": "run the background work only",
    "tasks": "look at jobs, or change them",
    "demo": "serve a small demonstration site",
    "config": "show every setting, its value and where it comes from",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command line; returns the exit code. Mistakes are one line on standard error."""
    try:
        return _main(sys.argv[1:] if arguments is None else arguments)
    except ConfigurationError as error:
        print(f"corral: error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `corral config | head`
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return 0  # stopped before there was anything to stop


def _main(arguments: list[str]) -> int:
    parser, subparsers = _make_parsers()
    options, unknown = parser.parse_known_args(arguments)
    if options.subcommand is None:
        parser.print_help()
        return 0
    if unknown:
        raise ConfigurationError(_explain_unknown(unknown[0], subparsers[options.subcommand]))
    if options.subcommand == "tasks":
        return _run_tasks(options, subparsers["tasks"])
    given = vars(options)
    if options.subcommand == "config" and options.markdown:
        from corral.reference import configuration_page

        sys.stdout.write(configuration_page())
        return 0
    config = load(given)
    import os

    for line in misspelt_variables(os.environ):
        print(f"corral: warning: {line}", file=sys.stderr)
    if options.subcommand == "config":
        _print_config(config)
        return 0
    return _run(options.subcommand, config, given)


def _run(command: str, config: Config, options: dict[str, str]) -> int:
    import signal

    from corral import node

    # Until the supervisor listens to it, SIGTERM ends what has been begun as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if command != "demo":
        return node.run(command, config)
    return node.run("demo", config, lambda: _prepare_demo(options["directory"]))


def _run_tasks(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from corral.tasks import commands

    if options.command is None:
        parser.print_help()
        return 0
    return commands.run(options.command, options.settings, options)


def _prepare_demo(directory: str):
    import os

    from corral import demo
    from corral.plan import Project

    try:
        site = demo.prepare(Path(directory))
    except demo.DemoError as error:
        raise ConfigurationError(str(error)) from None
    os.environ.update(site.env)
    print(f"demo in {site.directory}; user {site.user}, password {site.password}", flush=True)
    return Project(site.app, site.settings, list(map(str, site.paths)))


def _print_config(config: Config) -> None:
    rows = [
        (setting.name.replace("_", "-"), setting.kind.show(config[setting.name]),
         config.where(setting.name))
        for setting in SETTINGS
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, where in rows:
        print(f"{name:{widths[0]}}  {value:{widths[1]}}  {where}")


class _Parser(argparse.ArgumentParser):
    """Errors are one line, and leave the process's end to main()."""

    def error(self, message: str):
        raise ConfigurationError(f"{message}; see {self.prog} --help")


def _make_parsers():
    parser = _Parser(
        prog="corral",
        description="Serves a Django site and runs its background work from one program.",
        allow_abbrev=False,
        suggest_on_error=True,
    )
    parser.add_argument("--version", action="version", version=f"corral {__version__}")
    commands = parser.add_subparsers(dest="subcommand", metavar="COMMAND", title="commands")
    subparsers = {}
    for name, help in COMMANDS.items():
        subparser = commands.add_parser(
            name, help=help, description=help[0].upper() + help[1:] + ".", allow_abbrev=False
        )
        subparsers[name] = subparser
        _add_settings(subparser, name)
    _add_task_commands(subparsers["tasks"])
    subparsers["demo"].add_argument(
        "directory", metavar="DIR", nargs="?", default="corral-demo",
        help="the demo's folder, made when missing [default: corral-demo]",
    )  # fmt: skip
    subparsers["config"].add_argument(
        "--markdown", action="store_true", help="print the reference page instead"
    )
    return parser, subparsers


def _add_task_commands(parser: argparse.ArgumentParser) -> None:
    from corral.tasks import commands

    parser.set_defaults(command=None)
    parsers = parser.add_subparsers(metavar="COMMAND", title="commands")
    for command in commands.commands():
        text = command.help[0].upper() + command.help[1:] + "."
        one = parsers.add_parser(
            command.name, help=command.help, description=text, allow_abbrev=False
        )
        command.add_arguments(one)
        one.set_defaults(command=command)


def _add_settings(parser: argparse.ArgumentParser, command: str) -> None:
    groups = {}
    for setting in SETTINGS:
        if command not in setting.commands and command != "config":
            continue
        if setting.section not in groups:
            groups[setting.section] = parser.add_argument_group(setting.section)
        default = f"; default: {setting.default}" if setting.default else ""
        text = f"{setting.help} [{setting.variable}{default}]".replace("%", "%%")
        group = groups[setting.section]
        if not setting.flags:
            group.add_argument(setting.name, metavar="APP", nargs="?", help=text)
            continue
        action = "append" if setting.kind.is_list else "store"
        group.add_argument(
            *setting.flags, dest=setting.name, metavar=setting.kind.metavar, action=action,
            help=text,
        )  # fmt: skip


def _explain_unknown(word: str, parser: argparse.ArgumentParser) -> str:
    if not word.startswith("-"):
        return f"unexpected argument {word!r}; see {parser.prog} --help"
    flags = [flag for action in parser._actions for flag in action.option_strings]
    hint = suggest(word.partition("=")[0], flags)
    return f"there is no option {word}{hint}; see {parser.prog} --help"


if __name__ == "__main__":
    sys.exit(main())
