"""The command line's reference, from its parsers: ``{command-line}`` inserts a section for every command."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, ClassVar

from docutils import nodes
from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gallop.cli.arguments import DESCRIPTION, build_parser, known_commands

_SHARED = "common options"
_HELP = ("help", "version")


class CommandLine(SphinxDirective):
    """A section a command: what it does, how it is called, what it takes, examples."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[Node]:
        """Return the sections."""
        parser = build_parser(known_commands())
        (subparsers,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
        summaries = {choice.dest: choice.help or "" for choice in subparsers._choices_actions}
        sections: list[Node] = [*map(_paragraph, DESCRIPTION.split("\n\n"))]
        sections += [self._all_commands(next(iter(subparsers.choices.values())), summaries)]
        sections += [self._command(name, command, summaries[name]) for name, command in subparsers.choices.items()]
        return sections

    def _all_commands(self, command: argparse.ArgumentParser, summaries: dict[str, str]) -> Node:
        section = _section("commands", "All commands")
        rows = [(nodes.reference("", name, refid=_id(name)), help_) for name, help_ in summaries.items()]
        section += _definitions([(reference, help_) for reference, help_ in rows])
        parser = build_parser(["train"])
        (train,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
        (group,) = (each for each in train.choices["train"]._action_groups if each.title == _SHARED)
        section += nodes.paragraph("", "Nearly every command takes:")
        section += _options(group._group_actions, train.choices["train"])
        return section

    def _command(self, name: str, command: argparse.ArgumentParser, summary: str) -> Node:
        section = _section(_id(name), f"gallop {name}")
        section += _paragraph(command.description or f"{summary[:1].upper()}{summary[1:]}.")
        section += _code(command.format_usage().removeprefix("usage: ").strip())
        for title, actions in _groups(command):
            if title:
                section += nodes.paragraph("", "", nodes.strong("", f"{title[:1].upper()}{title[1:]}"))
            section += _options(actions, command)
        if command.epilog:
            section += _code(command.epilog.strip())
        return section


def _groups(command: argparse.ArgumentParser) -> Iterator[tuple[str, list[argparse.Action]]]:
    """Return title and options of each group that the command adds; argparse's two usual groups have no title."""
    for group in command._action_groups:
        actions = [each for each in group._group_actions if each.dest not in _HELP]
        if actions and group.title != _SHARED:
            usual = group.title in ("positional arguments", "options", "optional arguments")
            yield "" if usual else group.title or "", actions


def _options(actions: list[argparse.Action], command: argparse.ArgumentParser) -> Node:
    formatter = argparse.HelpFormatter(command.prog)
    return _definitions(
        [
            (
                nodes.literal("", formatter._format_action_invocation(action)),
                formatter._expand_help(action) if action.help else "",
            )
            for action in actions
            if action.help != argparse.SUPPRESS
        ]
    )


def _definitions(rows: list[tuple[Node, str]]) -> Node:
    listed = nodes.definition_list()
    for term, words in rows:
        listed += nodes.definition_list_item(
            "", nodes.term("", "", term), nodes.definition("", nodes.paragraph("", words))
        )
    return listed


def _id(name: str) -> str:
    return f"gallop-{name.replace(' ', '-')}"


def _section(id_: str, title: str) -> nodes.section:
    return nodes.section("", nodes.title("", title), ids=[id_], names=[])


def _paragraph(text: str) -> Node:
    return nodes.paragraph("", " ".join(text.split()))


def _code(text: str) -> Node:
    return nodes.literal_block(text, text, language="text")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
