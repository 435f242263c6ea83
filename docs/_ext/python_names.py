"""What the Python reference leaves out, and where the names of errors lead."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from gallop import errors


def _of_others(app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what the classifier has of scikit-learn: it is documented there."""
    module = getattr(member, "__module__", None) or ""
    asked = name.startswith("set_") and name.endswith("_request")  # of scikit-learn's metadata routing
    return True if asked or module.startswith("sklearn.") else None


def _error(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Resolve the name of an error: docstrings write it without the module."""
    target = str(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or not hasattr(errors, target):
        return None
    reference = env.get_domain("py").resolve_xref(
        env, node["refdoc"], app.builder, "exc", f"{errors.__name__}.{target}", node, content
    )
    return reference if isinstance(reference, nodes.reference) else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Listen to both."""
    app.connect("autodoc-skip-member", _of_others)
    app.connect("missing-reference", _error)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
