"""Configuration of the documentation; it builds without a network."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

import skae

project = "skae"
author = "The skae developers"
copyright = f"2026, {author}"
version = release = skae.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["skae.css"]
html_math_renderer = "mathml"
suppress_warnings = ["config.cache"]  # the gallery's sort key is a class, which can't be cached

autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
myst_heading_anchors = 3
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}

plot_apply_rcparams = True
plot_formats = [("png", 100)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True
plot_rcparams = {"figure.constrained_layout.use": True}

sphinx_gallery_conf = {
    "abort_on_example_error": True,
    "backreferences_dir": "generated/backreferences",
    "capture_repr": (),  # the addresses of artists say nothing
    "doc_module": ("skae",),
    "download_all_examples": False,
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(^|/)(?!plot_)[^/]*\.py$",
    "plot_gallery": True,
    "remove_config_comments": True,
    "show_memory": False,
    "within_subsection_order": "FileNameSortKey",
    "write_computation_times": False,  # of whichever machine built the site
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
html_sidebars = {"benchmarks": [], "changes": [], "contributing": [], "design": [], "quality": []}


def is_inherited_from_elsewhere(app, what, name, member, skip, options):
    """Leave out what scikit-learn, SciKeras and Keras document on their own sites."""
    member = member.fget if isinstance(member, property) else member
    function = inspect.unwrap(member) if callable(member) else member
    module = getattr(function, "__module__", None) or "skae"
    return True if module.split(".")[0] != "skae" else skip


def signature_of_layer(app, what, name, item, options, signature, returns):
    """Show a Keras layer's own arguments, not the ``*args`` of the base class's ``__new__``."""
    if what == "class" and name.startswith("skae.noise."):
        own = list(inspect.signature(item.__init__).parameters.values())[1:]
        own = [argument.replace(annotation=argument.empty) for argument in own]
        return str(inspect.Signature(own)), returns
    return signature, returns


def visit_math(translator, node):
    """Write a formula as MathML, which needs neither a network nor a script."""
    is_block = isinstance(node, nodes.math_block)
    formula = tex2mathml(node.astext(), as_block=is_block)
    translator.body.append(f'<div class="formula">{formula}</div>' if is_block else formula)
    raise nodes.SkipNode


def setup(app):
    """Register the filter of members, the signatures of layers and the writer of formulas."""
    app.connect("autodoc-skip-member", is_inherited_from_elsewhere)
    app.connect("autodoc-process-signature", signature_of_layer)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
