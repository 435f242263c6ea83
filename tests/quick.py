"""The tests of what differs from main, in a minute and a half: ``make quick``.

Git says which modules differ, the import statements which tests reach them. The processor seconds of each test are
recorded in ``tests/durations.json``; where they are more than there is time for, the longest are left out and named.
``python -m tests.quick --record FILE`` makes that record from the JUnit report of a run with the plugin
``tests.processor_time``, and prints the seconds of each file.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import accumulate
from pathlib import Path
from xml.etree import ElementTree

from tests.conftest import ROOT

DURATIONS = ROOT / "tests" / "durations.json"
WORKERS = 2
SECONDS = 15  # for tests, on each worker; the rest of a minute and a half is theirs to start and to find the tests
LEAST = 0.05  # seconds of any test, with pytest's and what is made for it again in each process
USUAL = 0.1  # seconds assumed for a test that is not in the record
SLOW = "-slow"
FILE = re.compile(r"[\w*\[\]/-][\w*\[\]/.-]*\.[a-z]+")
CONFTEST = ROOT / "tests" / "conftest.py"


# Which modules there are, and what each reaches -----------------------------------------------------------------------


def git(*words: str) -> list[str]:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


@cache
def tracked() -> list[Path]:
    """Files of the repository, and those that will be."""
    files = git("ls-files", "--cached", "--others", "--exclude-standard")
    return sorted({ROOT / file for file in files if (ROOT / file).is_file()})


@cache
def modules() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


@cache
def named() -> Mapping[str, set[Path]]:
    """The modules by what they are imported as: from the root, and from where packages begin, as the app's are."""
    found: dict[str, set[Path]] = defaultdict(set)
    for path in modules():
        start = next(folder for folder in path.parents if not (folder / "__init__.py").is_file())
        for root in (ROOT, start):
            found[".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")].add(path)
    return found


def reached(path: Path) -> set[Path]:
    """A module and all that it leads to, by the statements in it; a file's name in a string counts as well."""
    found: set[Path] = set()
    new = {path}
    while new:
        found |= new
        new = set().union(*map(next_to, new)) - found
    return found


@cache
def next_to(path: Path) -> set[Path]:
    found: set[Path] = set()
    for node in running(parse(path)):
        if isinstance(node, ast.Import):
            found = found.union(*(on_the_way(alias.name) for alias in node.names))
        elif isinstance(node, ast.ImportFrom) and node.module:
            found = found.union(on_the_way(node.module), *(home(node.module, alias.name) for alias in node.names))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and FILE.fullmatch(node.value):
            found |= at(node.value)
    if path.is_relative_to(ROOT / "tests"):
        # What stands in conftest.py is for those that ask for one of its fixtures.
        found -= {CONFTEST}
        fixtures = {function.name for function in functions(CONFTEST)} if path != CONFTEST else set()
        if any(argument.arg in fixtures for function in functions(path) for argument in function.args.args):
            found |= {CONFTEST}
    return found


def on_the_way(name: str) -> set[Path]:
    """The modules that ``import name`` runs, its packages too."""
    parts = name.split(".")
    return {path for count in range(len(parts)) for path in named().get(".".join(parts[: count + 1]), ())}


def home(package: str, name: str) -> set[Path]:
    """Where a name of a package comes from: a module of it, or one that it imports lazily."""
    return named().get(f"{package}.{name}") or {
        path
        for initial in named().get(package, ())
        for node in ast.walk(parse(initial))
        if isinstance(node, ast.ImportFrom) and node.module != package
        if name in [alias.asname or alias.name for alias in node.names]
        for path in on_the_way(str(node.module))
    }


@cache
def at(text: str) -> set[Path]:
    """The files that a name, the end of a path or a pattern stands for. Tests look at no tests."""
    return {path for path in tracked() if path.match(text) and not path.name.startswith("test_")}


@cache
def parse(path: Path) -> ast.Module:
    """A module; what is none says nothing."""
    return ast.parse(path.read_text(encoding="utf-8") if path.suffix == ".py" else "", str(path))


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those below ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield child
            yield from running(child)


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in parse(path).body if isinstance(node, ast.FunctionDef)]


# Which tests to run ---------------------------------------------------------------------------------------------------


def different() -> set[Path]:
    """Files that are not as they were where this branch left main, deleted ones among them."""
    branches = git("for-each-ref", "--format=%(refname:short)", "refs/heads/main", "refs/remotes/origin/main")
    if not branches:
        sys.exit("There is no main here to compare with. Fetch it (git fetch origin main:main), or run make test.")
    (base,) = git("merge-base", "HEAD", branches[0])
    return {ROOT / file for file in git("diff", "--name-only", base) + git("ls-files", "-o", "--exclude-standard")}


def changed_by(files: set[Path]) -> set[Path]:
    """What changed; a file that is no module changes those of its folder too, or of the next one up that has any."""
    found = set(files)
    for file in files:
        if not (file.suffix == ".py" and file.is_file()):
            folders = [file.parent] if file.suffix == ".py" else file.parents
            beside = ([path for path in modules() if path.parent == folder] for folder in folders if folder != ROOT)
            found.update(next(filter(None, beside), ()))
    return found


def reaching(files: set[Path]) -> list[Path]:
    """The test files that lead to what changed."""
    changed = changed_by(files)
    tests = [path for path in modules() if path.name.startswith("test_")]
    return [path for path in tests if CONFTEST in changed or reached(path) & changed]


def tests_in(files: Iterable[Path], seconds: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """pytest's name of each test function -> the seconds it takes, with all its parameters."""
    found = {}
    for path in files:
        of_file = seconds.get(key_of(path), {})
        for name in (function.name for function in functions(path) if function.name.startswith("test_")):
            noted = [of_file[key] for key in (name, name + SLOW) if key in of_file]
            found[f"{path.relative_to(ROOT)}::{name}"] = max(sum(noted), LEAST) if noted else USUAL
    return found


def key_of(path: Path) -> str:
    """``tests/app/test_compare.py`` -> ``app.test_compare``: what the record calls a file."""
    return ".".join(path.relative_to(ROOT / "tests").with_suffix("").parts)


def within(tests: Mapping[str, float], seconds: float) -> tuple[list[str], list[str]]:
    """(those that fit, the longest that do not)."""
    names = sorted(tests, key=lambda name: tests[name])
    fit = sum(total <= seconds for total in accumulate(tests[name] for name in names))
    return names[:fit], names[fit:]


# The record -----------------------------------------------------------------------------------------------------------


def recorded(report: Path) -> dict[str, dict[str, float]]:
    """Return processor seconds by file and function, from a JUnit report of a run with ``tests.processor_time``.

    Cases of a function that are marked slow are counted under its name and ``SLOW``.
    """
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for case in ElementTree.parse(report).iter("testcase"):
        key, function = case.attrib["classname"].removeprefix("tests."), case.attrib["name"].split("[")[0]
        for noted in case.iter("property"):
            found[key][function + SLOW * noted.attrib["name"].endswith(SLOW)] += float(noted.attrib["value"])
    return found


def record(report: Path) -> None:
    """Add a run to the record, without tests that are gone; print the sum of each file in it, the longest first."""
    found = recorded(report)
    before = json.loads(DURATIONS.read_text(encoding="utf-8"))
    kept = {}
    for path in sorted(ROOT.glob("tests/**/test_*.py")):
        key = key_of(path)
        there = {tier for function in functions(path) for tier in (function.name, function.name + SLOW)}
        took = before.get(key, {}) | found.get(key, {})  # of a test in both tiers a run of one has its part alone
        of_file = {tier: round(seconds, 2) for tier, seconds in took.items() if tier in there}
        kept |= {key: of_file} if of_file else {}
    DURATIONS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    for took, key in sorted(((sum(of_file.values()), key) for key, of_file in found.items()), reverse=True):
        print(f"{took:7.1f} s  {key}")


def main(words: list[str]) -> int:
    if words[:1] == ["--record"]:
        record(Path(words[1]))
        return 0
    files = different()
    tests = tests_in(reaching(files), json.loads(DURATIONS.read_text(encoding="utf-8"))) if files else {}
    if not tests:
        print("No test reaches what differs from main." if files else "Nothing differs from main.")
        return 0
    chosen, left_out = within(tests, WORKERS * SECONDS)
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", f"-n{WORKERS}", *sorted(chosen), *words], cwd=ROOT)
    if left_out:
        print(f"\nLeft out, because all that reach what differs from main take longer: {len(left_out)} of {len(tests)}")
        print("\n".join(f"{tests[name]:7.1f} s  {name}" for name in left_out))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
