"""Configuration of the documentation; it builds without a network."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import skae

project = "skae"
author = "The skae developers"
copyright = f"2026, {author}"
version = release = skae.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]  # the gallery's sort key is a class, which can't be cached

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
myst_heading_anchors = 3
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(^|/)(?!plot_)[^/]*\.py$",
    "abort_on_example_error": True,
    "capture_repr": (),  # the addresses of artists say nothing
    "download_all_examples": False,
    "plot_gallery": True,
    "remove_config_comments": True,
    "show_memory": False,
    "within_subsection_order": "FileNameSortKey",
}

html_theme = "pydata_sphinx_theme"
html_title = "skae"
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "skae"},
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "show_toc_level": 2,
}
html_sidebars = {"benchmarks": [], "changes": [], "contributing": [], "design": []}


def is_inherited_from_elsewhere(app, what, name, member, skip, options):
    """Leave out what scikit-learn, SciKeras and Keras document on their own sites."""
    member = member.fget if isinstance(member, property) else member
    function = inspect.unwrap(member) if callable(member) else member
    module = getattr(function, "__module__", None) or "skae"
    return True if module.split(".")[0] != "skae" else skip


def setup(app):
    """Register the filter of members."""
    app.connect("autodoc-skip-member", is_inherited_from_elsewhere)
