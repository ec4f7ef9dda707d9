"""Settings of Sphinx for this site: ``tox -e docs`` builds it into ``build/docs``, without a network."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpydoc.xref
from sphinx.application import Sphinx

import mnistlib
from mnistlib._version import __version__
from mnistlib.errors import __all__ as errors

_HERE = Path(__file__).parent

project = "mnistlib"
author = "the authors of mnistlib"
release = version = __version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

# Prose.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
# Many pages show messages of a terminal, or a file with a placeholder in it: text that a highlighter cannot read.
highlight_language = "none"

# Notebooks run while the site is built, since their files in git have no outputs. They run on copies.
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

# Reference.
nitpicky = True
default_role = "autolink"  # a link to a documented name; any other word in single backticks is emphasized
autodoc_typehints = "none"  # the sections of the docstrings have the types
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autosummary_generate = False
nitpick_ignore_regex = [("py:.*", r"sklearn\..*")]  # documented elsewhere: the build reads nothing from a network
numpydoc_show_class_members = False
# Public names are links in the types of parameters, results and errors; all other words stay as they are.
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc.xref.DEFAULT_LINKS.clear()  # pages of Python and NumPy, which intersphinx would have to download
numpydoc_xref_aliases = {
    name: f"mnistlib.errors.{name}" if name in errors else f"mnistlib.{name}" for name in mnistlib.__all__
} | {
    "Backend": "mnistlib.backends.Backend",
    "Evaluation": "mnistlib.training.evaluation.Evaluation",
    "IdxHeader": "mnistlib.idx.IdxHeader",
    "Metrics": "mnistlib.runs.Metrics",
    "Plan": "mnistlib.backends.plan.Plan",
    "Progress": "mnistlib.linear.progress.Progress",
    "RunContext": "mnistlib.runs.RunContext",
    "RunRecord": "mnistlib.runs.RunRecord",
    "RunResult": "mnistlib.runs.RunResult",
    "SavedModel": "mnistlib.models.artifact.SavedModel",
    "ScoringClient": "mnistlib.models.client.ScoringClient",
    "Split": "mnistlib.datasets.dataset.Split",
}
numpydoc_class_members_toctree = False

# Look.
html_theme = "furo"
html_title = f"mnistlib {release}"


def _copy_notebooks() -> None:
    """Copy the examples into this folder: Sphinx reads pages only from here, and a notebook writes beside itself."""
    target = _HERE / "examples"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in (_HERE.parent / "examples").iterdir():
        if path.suffix in (".ipynb", ".py"):
            shutil.copy(path, target)


_copy_notebooks()
_runs = tempfile.TemporaryDirectory()  # deleted when the build ends
os.environ["MNISTLIB_RUNS"] = _runs.name
os.environ.pop("MNISTLIB_BACKEND", None)


def _leave_out(_app: Sphinx, _what: str, _name: str, member: Any, skip: bool, _options: Any) -> bool | None:
    """Leave out a method whose docstring only refers to the method that it overrides."""
    refers = "; see :meth:`" in (getattr(member, "__doc__", None) or "")
    return True if refers else skip


def _link_copies(_app: Sphinx, _page: str, content: list[str]) -> None:
    """Lead links to examples to their copies."""
    content[0] = content[0].replace("](../examples/", "](examples/")


def setup(app: Sphinx) -> None:
    """Connect to the events of Sphinx."""
    app.connect("source-read", _link_copies)
    app.connect("autodoc-skip-member", _leave_out)
