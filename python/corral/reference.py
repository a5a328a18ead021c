"""docs/configuration.md, made from the table of settings by `corral config --markdown`."""

from corral.settings_table import EVERY, SETTINGS, Setting

_HEAD = """\
# Configuration

<!-- Made by `corral config --markdown` from python/corral/settings_table.py. Change it there. -->

Every setting can be given on the command line, in the environment, or in `[tool.corral]` of the
`pyproject.toml` in the working directory (`workers = 4`, `bind = [":8000", "unix:run/site.sock"]`).
The first of these that has it wins, in that order; otherwise the default holds. `corral config`
prints each value and where it comes from. A change takes effect at the next start.

In the environment, several addresses are separated by commas and several commands by semicolons; an
empty variable counts as not set. Sockets passed by a service manager (`LISTEN_FDS`) are used unless
`--bind` or `CORRAL_BIND` says otherwise.

A value that cannot work ends the start with exit code 1 and one line that names the setting, the
value and what is allowed.
"""


def configuration_page() -> str:
    """The whole page, in Markdown."""
    parts = [_HEAD]
    section = ""
    for setting in SETTINGS:
        if setting.section != section:
            section = setting.section
            parts.append(f"\n## {section}\n")
        parts.append(_entry(setting))
    return "".join(parts)


def _entry(setting: Setting) -> str:
    flags = ", ".join(f"`{flag} {setting.kind.metavar}`" for flag in setting.flags)
    variables = [setting.variable, *(name for name, _ in setting.environment)]
    facts = [
        "Default: " + (f"`{setting.default}`." if setting.default else "not set."),
        f"Allowed: {setting.kind.allowed}.",
        "Environment: " + ", ".join(f"`{name}`" for name in variables) + ".",
        f"pyproject.toml: `{setting.name.replace('_', '-')}`.",
    ]
    commands = [
        f"`{name}`" for name in ("serve", "work", "demo", "tasks") if name in setting.commands
    ]
    if setting.commands != EVERY:
        *others, last = commands
        facts.append("For " + (f"{', '.join(others)} and {last}." if others else f"{last}."))
    title = flags or "`APP` (the first argument of `serve`)"
    text = setting.help[0].upper() + setting.help[1:]
    return f"\n### {title}\n\n{text}.\n" + "".join(f"\n- {fact}" for fact in facts) + "\n"
