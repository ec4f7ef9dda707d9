"""The commands of the command line: the purpose of each, the function that runs it, and its arguments."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mnistlib.cli import arguments as shared
from mnistlib.cli.arguments import Add, argument, flag, number
from mnistlib.cli.options import add_options
from mnistlib.cli.output import Answer
from mnistlib.lazy import imported
from mnistlib.training.options import SweepOptions, TrainingOptions


class Command:
    """A command: its purpose in one line, its function as ``module:name`` below ``mnistlib.cli``, its arguments."""

    def __init__(self, purpose: str, function: str, *arguments: Add) -> None:
        self.purpose = purpose
        self._function = function
        self._arguments = arguments

    def add_to(self, commands: Any, name: str) -> None:
        """Add the command's parser."""
        parser = commands.add_parser(name, help=self.purpose, description=f"{self.purpose.capitalize()}.")
        parser.set_defaults(command=self.run)
        for add in (*_ALWAYS, *self._arguments):
            add(parser)

    def run(self, options: argparse.Namespace) -> Answer | None:
        """Run the function, whose module is imported only now."""
        answer: Answer | None = imported(f"mnistlib.cli.{self._function}")(options)
        return answer


@dataclass(frozen=True)
class Group:
    """A command that has actions, of which "list" is meant where none is named."""

    purpose: str
    actions: Mapping[str, Command]

    def add_to(self, commands: Any, name: str) -> None:
        """Add the parser of the command, and of each action."""
        group = commands.add_parser(name, help=self.purpose)
        actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
        for action, command in self.actions.items():
            command.add_to(actions, action)


_ALWAYS = (
    argument("-q", "--quiet", action="store_true", help="print results and errors only"),
    flag("--debug", "show the whole traceback of a failure"),
)
COMMANDS: Mapping[str, Command | Group] = {
    "train": Command("train a model and keep it in a run folder", "training:train", shared.training, shared.submission),
    "sweep": Command(
        "train with several values of the regularization and find the best",
        "training:sweep",
        argument("--regularization", dest="values", metavar="LAMBDA,LAMBDA,...", required=True, help="the values"),
        partial(add_options, cls=SweepOptions),
        partial(add_options, cls=TrainingOptions, without=("regularization", "validation")),
        argument("--validation", type=float, metavar="SHARE", help="training images held out to choose by (0.2)"),
        flag("--resume", "take over what an earlier sweep has completed"),
        shared.submission,
    ),
    "runs": Group(
        "list, show, compare, follow, cancel and delete runs",
        {
            "list": Command(
                "print the newest runs",
                "runs:runs_list",
                argument("--experiment", help="only of this experiment"),
                flag("--children", "also the runs of sweeps"),
                number("--count", 20, "how many (default: 20)"),
                shared.json,
                shared.backend,
            ),
            "show": Command(
                "print all that is known of a run", "runs:runs_show", shared.run, shared.json, shared.backend
            ),
            "compare": Command(
                "print runs side by side", "runs:runs_compare", shared.runs, shared.json, shared.backend
            ),
            "logs": Command(
                "print a run's log",
                "runs:runs_logs",
                shared.run,
                argument("-f", "--follow", action="store_true", help="and what is added, until the run ends"),
                shared.backend,
            ),
            "cancel": Command("ask runs to stop", "runs:runs_cancel", shared.runs, shared.backend),
            "delete": Command("remove runs that have ended", "runs:runs_delete", shared.runs, shared.backend),
        },
    ),
    "register": Command(
        "keep a run's model under a name and its next version",
        "models:register",
        argument("run", help=f"{shared.RUN_HELP}; of a sweep, its best model is kept"),
        argument("name", help="what to register it as"),
        argument("--description", default="", help="what to say of it"),
        shared.tags,
        argument("--output", metavar="FILE", help="which of the run's files is the model, of a script's run"),
        shared.answer,
    ),
    "models": Group(
        "list, show, download and delete registered models",
        {
            "list": Command(
                "print the registered versions",
                "models:models_list",
                argument("name", nargs="?", help="only of this name"),
                shared.answer,
            ),
            "show": Command("print all that is known of a version", "models:models_show", shared.model, shared.answer),
            "download": Command(
                "write a version's file into a folder",
                "models:models_download",
                shared.model,
                argument("target", nargs="?", default=".", metavar="FOLDER", help="where to (default: here)"),
                shared.answer,
            ),
            "delete": Command("remove versions for good", "models:models_delete", shared.versions, shared.answer),
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
        "print the label of each image in an IDX file, one a line",
        "commands:predict",
        argument("model", help=f"{shared.RUN_HELP}, or a saved model"),
        argument("file", help="IDX file of images, plain or gzip"),
        shared.trust,
        shared.answer,
    ),
    "fetch": Command(
        "download a data set and print where its files are",
        "commands:fetch",
        argument("dataset", help="mnist, fashion-mnist or kmnist"),
        shared.data_folder,
        flag("--force", "fetch again what is there already"),
        shared.json,
    ),
    "info": Command(
        "print what IDX files announce",
        "commands:info",
        argument("files", nargs="+", metavar="FILE", help="IDX file, plain or gzip"),
        shared.json,
    ),
    "show": Command(
        "draw samples of a data set or IDX file, or the worst mistakes of a run",
        "commands:show",
        argument("what", help=f"name or folder of a data set, IDX file of images, or {shared.RUN_HELP}"),
        number("--count", 8, "how many images (default: 8)"),
        argument("--output", metavar="FILE.png", help="write a picture (extra: plots) instead of drawing here"),
        shared.data_folder,
        shared.backend,
    ),
    "report": Command(
        "write one HTML file that shows a run or a sweep",
        "commands:report",
        shared.run,
        argument("--output", metavar="FILE.html", help="the file (default: the run's id, in this folder)"),
        shared.data_folder,
        shared.backend,
    ),
    "serve": Command(
        "answer with a model over HTTP, with a page to draw on",
        "serving:serve",
        argument("model", metavar="MODEL", help="NAME[:VERSION] of a registered model, a run, or a file"),
        argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1, this machine only)"),
        argument("--port", type=shared.port_number, default=8000, help="0 takes any that is free (default: 8000)"),
        argument("--token", help="what requests must carry as Authorization: Bearer (default: $MNISTLIB_TOKEN)"),
        flag("--no-auth", "let anybody ask, also from other machines"),
        number("--most-bytes", 64 * 2**20, "of a body (default: 64 MiB)"),
        number("--most-waiting", 256, "requests in line (default: 256)"),
        shared.trust,
        shared.data_folder,
        shared.answer,
    ),
    "score": Command(
        "ask a service for the label of each image in files",
        "score:score",
        argument(
            "files",
            nargs="+",
            metavar="FILE_OR_URL",
            help="IDX (plain or gzip), PNG or JSON; an address that ends in /score is the service that is asked",
        ),
        argument("--service", help="a deployed service, or its address (default: $MNISTLIB_SERVICE or port 8000)"),
        argument("--token", help="what the service wants as Authorization: Bearer (default: $MNISTLIB_TOKEN)"),
        flag("--proba", "print how probable each answer is"),
        shared.answer,
    ),
    "deploy": Command(
        "start a service that answers with a registered model",
        "services:deploy",
        shared.model,
        argument("--name", help="what to call the service (default: like the model)"),
        flag("--replace", "let it take the place of a service of that name"),
        shared.deployment,
        shared.answer,
    ),
    "services": Group(
        "list, show and delete deployed services, and print their logs",
        {
            "list": Command("print the deployed services", "services:services_list", shared.answer),
            "show": Command(
                "print what is known of a service", "services:services_show", shared.service, shared.answer
            ),
            "logs": Command("print what a service has said", "services:services_logs", shared.service, shared.backend),
            "delete": Command(
                "end services and forget them", "services:services_delete", shared.services, shared.backend
            ),
        },
    ),
    "export-service": Command(
        "write a folder with a Dockerfile that serves a registered model",
        "services:export_service",
        shared.model,
        argument("folder", metavar="DIR", help="where to; not there yet, or empty"),
        shared.data_folder,
        shared.answer,
    ),
    "doctor": Command(
        "say whether all is there that a first job needs, and change nothing", "doctor:doctor", shared.answer
    ),
}
