"""The documentation: every page of it, by Sphinx. ``make docs`` builds it, and a warning is an error.

The source is the repository's root, so that a page, a notebook and CHANGELOG.md are each one file, read on a code host
and here, and a link from one to another is the same in both. Notebooks are shown as they were stored; nothing is run.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE / "_ext"), str(ROOT)]

from gallop.runtime.process import prepare

prepare()  # before torch is loaded

from gallop import __version__

project = "GalLoP Explorer"
author = copyright = "GalLoP Explorer contributors"
nitpicky = True
smartquotes = False  # two dashes are an option
release = version = __version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_llms_txt",
    "browser_page",
    "command_line",
    "formulas",
    "generated_tables",
    "living",
    "python_names",
    "checked_links",
    "rooms",
]

# What is a page
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "notebooks/*.ipynb",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "THIRD_PARTY_NOTICES.md",
    "benchmarks/**.md",
    "checkpoints/mini/README.md",
    "gallop/sample/README.md",
]
exclude_patterns = ["build", "dist", ".*", "docs/_*", "tests", "**/node_modules", "**/__pycache__"]

# Markdown
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath", "substitution"]
myst_heading_anchors = 4
myst_dmath_double_inline = nb_merge_streams = True
nb_execution_mode = "off"

# Python
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"  # in the contents at the side of a page
autodoc_typehints = "none"  # the signature's are long, and what arguments are, their words say
autodoc_preserve_defaults = True
napoleon_numpy_docstring = napoleon_use_rtype = napoleon_attr_annotations = False
python_maximum_signature_line_length = 80

# The site
html_theme = "furo"
html_title = "GalLoP Explorer"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_favicon = "../app/icon.png"
html_search_scorer = str(HERE / "_static" / "scorer.js")
html_show_sourcelink = html_show_sphinx = html_use_index = html_domain_indices = html_show_copyright = False
html_additional_pages = {"index": "to_the_front.html"}
templates_path = ["_templates"]
llms_txt_full_file = False  # llms.txt alone: the pages by title, each as its source
llms_txt_uri_template = "_sources/{docname}{suffix}{sourcelink_suffix}"
llms_txt_exclude = ["notebooks/*", "benchmarks/*", "THIRD_PARTY_NOTICES", "CHANGELOG", "docs/rooms"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0f6b62", "color-brand-content": "#0f6b62"},
    "dark_css_variables": {"color-brand-primary": "#2fb8a8", "color-brand-content": "#2fb8a8"},
}
pygments_style = "a11y-light"
pygments_dark_style = "a11y-dark"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"
