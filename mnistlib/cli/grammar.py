"""Commands of the command line: purpose, function and arguments of each."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mnistlib.cli import arguments as shared
from mnistlib.cli.arguments import Add, argument, flag, number, renamed
from mnistlib.cli.options import add_options
from mnistlib.cli.output import Answer
from mnistlib.environment import SERVICE, TOKEN
from mnistlib.lazy import imported
from mnistlib.training.options import SweepOptions, TrainingOptions


class Command:
    """Command: its purpose in one line, its function as ``module:name`` in ``mnistlib.cli``, its arguments."""

    def __init__(self, purpose: str, function: str, *arguments: Add) -> None:
        self.purpose = purpose
        self._function = function
        self._arguments = arguments

    def add_to(self, commands: Any, name: str) -> None:
        """Add the parser of the command."""
        parser = commands.add_parser(name, help=self.purpose, description=f"{self.purpose.capitalize()}.")
        parser.set_defaults(command=self.run)
        for add in (*_ALWAYS, *self._arguments):
            add(parser)

    def run(self, options: argparse.Namespace) -> Answer | None:
        """Import the function's module and run the function."""
        answer: Answer | None = imported(f"mnistlib.cli.{self._function}")(options)
        return answer


@dataclass(frozen=True)
class Group:
    """Command with actions; the default action is "list"."""

    purpose: str
    actions: Mapping[str, Command]

    def add_to(self, commands: Any, name: str) -> None:
        """Add the parsers of the command and of each action."""
        group = commands.add_parser(name, help=self.purpose)
        actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
        for action, command in self.actions.items():
            command.add_to(actions, action)


_ALWAYS = (
    argument("-q", "--quiet", action="store_true", help="print results and errors only"),
    flag("--debug", "print the traceback of a failure"),
)
COMMANDS: Mapping[str, Command | Group] = {
    "train": Command("train a model and save it in a run folder", "training:train", shared.training, shared.submission),
    "sweep": Command(
        "train with several values of the regularization and select the best",
        "training:sweep",
        argument("--regularization", dest="values", metavar="LAMBDA,LAMBDA,...", required=True, help="values to train"),
        partial(add_options, cls=SweepOptions),
        partial(add_options, cls=TrainingOptions, without=("regularization", "validation")),
        argument("--validation", type=float, metavar="SHARE", help="held-out share of training images (default: 0.2)"),
        flag("--resume", "reuse completed trials of an earlier sweep"),
        shared.submission,
    ),
    "runs": Group(
        "list, show, compare, follow, cancel and delete runs",
        {
            "list": Command(
                "print the newest runs",
                "runs:runs_list",
                argument("--experiment", help="only runs of this experiment"),
                flag("--children", "also print the trials of sweeps"),
                number("--count", 20, "maximum number of runs (default: 20)"),
                shared.json,
                shared.backend,
            ),
            "show": Command("print the details of a run", "runs:runs_show", shared.run, shared.json, shared.backend),
            "compare": Command(
                "print runs side by side", "runs:runs_compare", shared.runs, shared.json, shared.backend
            ),
            "logs": Command(
                "print a run's log",
                "runs:runs_logs",
                shared.run,
                argument("-f", "--follow", action="store_true", help="print new lines until the run ends"),
                shared.backend,
            ),
            "cancel": Command("request cancellation of runs", "runs:runs_cancel", shared.runs, shared.answer),
            "delete": Command("delete runs that have ended", "runs:runs_delete", shared.runs, shared.answer),
        },
    ),
    "register": Command(
        "register a run's model as the next version of a name",
        "models:register",
        argument("run", help=f"{shared.RUN_HELP}; for a sweep, its best model is registered"),
        argument("name", help="name of the model"),
        argument("--description", default="", help="description of the version"),
        shared.tags,
        argument("--output", metavar="FILE", help="model file in the outputs of a script's run"),
        shared.answer,
    ),
    "models": Group(
        "list, show, download and delete registered models",
        {
            "list": Command(
                "print the registered versions",
                "models:models_list",
                argument("name", nargs="?", help="only versions of this model"),
                shared.answer,
            ),
            "show": Command("print the details of a version", "models:models_show", shared.model, shared.answer),
            "download": Command(
                "write a version's file into a folder",
                "models:models_download",
                shared.model,
                argument("target", nargs="?", default=".", metavar="FOLDER", help="target folder (default: current)"),
                shared.answer,
            ),
            "delete": Command("delete versions permanently", "models:models_delete", shared.versions, shared.answer),
        },
    ),
    "evaluate": Command(
        "print accuracy, confusion matrix, precision and recall of a run's model",
        "commands:evaluate",
        shared.run,
        shared.data_folder,
        shared.answer,
    ),
    "predict": Command(
        "print the predicted label of each image in an IDX file, one per line",
        "commands:predict",
        argument("model", help=f"{shared.RUN_HELP}, or file of a saved model"),
        argument("file", help="IDX file of images, plain or gzip"),
        shared.trust,
        shared.answer,
    ),
    "fetch": Command(
        "download a data set and print the paths of its files",
        "commands:fetch",
        argument("dataset", help="mnist, fashion-mnist or kmnist"),
        shared.data_folder,
        flag("--force", "download existing files again"),
        shared.json,
    ),
    "info": Command(
        "print the type, shape and size of IDX files",
        "commands:info",
        argument("files", nargs="+", metavar="FILE", help="IDX file, plain or gzip"),
        shared.json,
    ),
    "show": Command(
        "draw samples of a data set or IDX file, or the worst mistakes of a run",
        "commands:show",
        argument("source", help=f"name or folder of a data set, IDX file of images, or {shared.RUN_HELP}"),
        number("--count", 8, "maximum number of images (default: 8)"),
        argument("--output", metavar="FILE.png", help="write a PNG file (extra: plots) instead of text"),
        shared.data_folder,
        shared.backend,
    ),
    "report": Command(
        "write a report of a run or a sweep as one HTML file",
        "commands:report",
        shared.run,
        argument("--output", metavar="FILE.html", help="output file (default: RUN_ID.html in the current folder)"),
        shared.data_folder,
        shared.answer,
    ),
    "serve": Command(
        "serve a model over HTTP, with a page to draw digits on",
        "serving:serve",
        argument("model", metavar="MODEL", help="NAME[:VERSION] of a registered model, a run, or a file"),
        argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"),
        argument("--port", type=shared.port_number, default=8000, help="port; 0 for any free port (default: 8000)"),
        argument("--token", help=f"bearer token that requests must send (default: ${TOKEN.name})"),
        flag("--no-auth", "require no token, also for requests from other machines"),
        number("--max-body-bytes", 64 * 2**20, "maximum size of a request's body in bytes (default: 64 MiB)"),
        renamed("--most-bytes", "--max-body-bytes"),
        number("--max-waiting", 256, "maximum number of waiting requests (default: 256)"),
        renamed("--most-waiting", "--max-waiting"),
        shared.trust,
        shared.data_folder,
        shared.answer,
    ),
    "score": Command(
        "print a service's predicted label of each image in files",
        "score:score",
        argument(
            "files",
            nargs="+",
            metavar="FILE_OR_URL",
            help="IDX (plain or gzip), PNG or JSON file; a URL that ends in /score is the service to use",
        ),
        argument("--service", help=f"name or URL of a service (default: ${SERVICE.name} or port 8000 here)"),
        argument("--token", help=f"bearer token of the service (default: ${TOKEN.name})"),
        flag("--proba", "print the probability of each label"),
        shared.answer,
    ),
    "deploy": Command(
        "deploy a registered model as a service",
        "services:deploy",
        shared.model,
        argument("--name", help="name of the service (default: name of the model)"),
        flag("--replace", "replace an existing service of the same name"),
        shared.json,
        shared.deployment,
        shared.backend,
    ),
    "services": Group(
        "list, show and delete deployed services, and print their logs",
        {
            "list": Command("print the deployed services", "services:services_list", shared.answer),
            "show": Command("print the details of a service", "services:services_show", shared.service, shared.answer),
            "logs": Command("print a service's log", "services:services_logs", shared.service, shared.backend),
            "delete": Command("stop and delete services", "services:services_delete", shared.services, shared.answer),
        },
    ),
    "export-service": Command(
        "write a folder with a Dockerfile that serves a registered model",
        "services:export_service",
        shared.model,
        argument("folder", metavar="DIR", help="target folder, new or empty"),
        shared.data_folder,
        shared.answer,
    ),
    "doctor": Command("check the requirements of a first job, without changes", "doctor:doctor", shared.answer),
}
