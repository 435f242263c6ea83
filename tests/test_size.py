"""The size of the project: what is counted, and that it is within its ceilings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import size


def test_the_project_is_within_its_ceilings() -> None:
    found = size.sizes(size.ROOT)
    assert {name: most for name, most in found.items() if most > size.CEILINGS[name]} == {}
    assert min(found.values()) > 0, "every folder is found"


@pytest.mark.parametrize("folder", [name for name in size.CEILINGS if name != size.SCRIPTS])
def test_a_file_that_is_added_is_counted(folder: str, tmp_path: Path) -> None:
    assert set(size.sizes(tmp_path).values()) == {0}
    deep = tmp_path / folder / "deep"
    deep.mkdir(parents=True)
    (deep / "new.py").write_text('"""Words."""\nif 1:\n    a = 1; b = 2\n', encoding="utf-8")
    (deep / "new.js").write_text(f"let a;\n\n// {'x' * 240}\n", encoding="utf-8")
    (deep / "new.css").write_text("a {}", encoding="utf-8")
    (tmp_path / "elsewhere.py").write_text("a = 1", encoding="utf-8")
    assert size.sizes(tmp_path) == dict.fromkeys(size.CEILINGS, 0) | {folder: 4, size.SCRIPTS: 6}


def test_what_is_too_large_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(size, "sizes", lambda root: size.CEILINGS | {"app": size.CEILINGS["app"] + 1})
    assert size.main() == 1
    said = [line for line in capsys.readouterr().out.splitlines() if "too large" in line]
    assert [line.split()[0] for line in said] == ["app", "in"]
