"""How Sphinx makes the site: `tools/make_site.py` lays out its source and calls it."""

import logging
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import bayesmix as bm

for name in ("pytensor", "traitlets"):  # Sphinx would show what they note for themselves
    logging.getLogger(name).setLevel(logging.WARNING)

project = "bayesmix"
author = "bayesmix developers"
copyright = f"2026, {author}"
release = metadata.version("bayesmix")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
]
exclude_patterns = ["conf.py", "_templates", "_static", "data"]
templates_path = ["_templates"]
nitpicky = True

# Formulas are drawn by one file of MathJax that lies beside the pages: nothing is fetched from elsewhere.
MATHJAX = Path(find_spec("sphinx-mathjax-offline").submodule_search_locations[0]) / "static" / "mathjax"
html_static_path = ["_static", str(MATHJAX / "tex-svg.js")]
mathjax_path = "tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}

# Docstrings
autosummary_generate = True
# A file system that does not tell "Fit" from "fit" would keep one of the two pages.
autosummary_filename_map = {
    f"{home}.{name}": f"{home}.{name}_class"
    for home, face in (("bayesmix", bm), ("bayesmix.plots", bm.plots))
    for name in face.__all__
    if name != name.lower() and name.lower() in face.__all__
}
autodoc_typehints = "none"  # the docstrings say it in words
numpydoc_show_class_members = False  # the template of a class lists them
numpydoc_validation_checks = set()

# Pages and notebooks
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "amsmath", "attrs_inline"]
myst_heading_anchors = 3
nb_merge_streams = True
nb_output_stderr = "remove"  # what the machine's fonts and compilers say
nb_execution_raise_on_error = True
nb_execution_timeout = 3600
nb_execution_show_tb = True
nb_ipywidgets_js = {}  # no notebook has widgets, and theirs would come from elsewhere

# The look: of the themes that were tried, furo cuts nothing off on a phone, and has the whole site beside the page.
html_theme = "furo"
html_title = "bayesmix"
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": False}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def setup(app):
    """Mend signatures and docstrings on their way to a page."""
    app.connect("autodoc-process-signature", without_factories)
    app.connect("autodoc-process-docstring", with_equations)


def without_factories(*said):
    """Leave out how dataclasses write a default that is made anew: signature and return value come last."""
    signature, returned = said[-2:]
    return signature and signature.replace("=<factory>", "=..."), returned


def with_equations(app, kind, name, template, options, lines):
    """Put the equations of a template, which open its file, on its page."""
    if kind == "function" and name.startswith("bayesmix.models."):
        equations = sys.modules[template.__module__].__doc__.strip().splitlines()
        lines += [
            "",
            ".. rubric:: Equations",
            "",
            ".. code-block:: text",
            "",
            *(f"   {line}" for line in equations),
            "",
        ]
