"""The commands and their options. Parsing imports nothing heavy."""

import argparse
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mnistlib.backends.spec import BACKEND_VARIABLE, specs
from mnistlib.cli.options import Tags, add_backend_options, add_options
from mnistlib.cli.output import Answer
from mnistlib.training.options import SweepOptions, TrainingOptions

#: Commands with actions, and the action that is meant where none is named.
_USUAL_ACTION = {"runs": "list", "models": "list", "services": "list"}


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line.

    Parameters
    ----------
    command : str, optional
        The only command that is to be parsed: the others get no options, which would take most of the time.
    """
    parser = argparse.ArgumentParser(
        prog="mnistlib",
        description="Read IDX files, train logistic regression, keep the model.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (purpose, add) in _COMMANDS.items():
        if command in (None, name):
            add(commands, purpose)
        else:
            commands.add_parser(name, help=purpose)
    if command in (None, _NODE):
        _add_node(commands, "Run the job that lies here, on a cluster's node.")
    return parser


def command_in(arguments: Sequence[str]) -> str | None:
    """Return the command that the arguments name; None if they name none.

    Examples
    --------
    >>> command_in(["-q", "train"])
    'train'
    """
    return next((word for word in arguments if word in _COMMANDS or word == _NODE), None)


def with_action(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the usual action put in where a command that has actions is given none.

    Examples
    --------
    >>> with_action(["runs", "--json"])
    ['runs', 'list', '--json']
    """
    command, *rest = arguments or [""]
    named = rest and not rest[0].startswith("-")
    if command not in _USUAL_ACTION or named or "-h" in rest or "--help" in rest:
        return list(arguments)
    return [command, _USUAL_ACTION[command], *rest]


def _add_train(commands: Any, purpose: str) -> None:
    train = _add(commands, "train", purpose, module="training")
    add_options(train, TrainingOptions)
    _add_submission(train)


def _add_sweep(commands: Any, purpose: str) -> None:
    sweep = _add(commands, "sweep", purpose, module="training")
    sweep.add_argument("--regularization", dest="values", metavar="LAMBDA,LAMBDA,...", required=True, help="the values")
    add_options(sweep, SweepOptions)
    add_options(sweep, TrainingOptions, without=("regularization", "validation"))
    sweep.add_argument("--validation", type=float, metavar="SHARE", help="training images held out to choose by (0.2)")
    sweep.add_argument("--resume", action="store_true", help="take over what an earlier sweep has completed")
    _add_submission(sweep)


def _add_submission(parser: argparse.ArgumentParser) -> None:
    """Add the options of the run that a job becomes."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be made, sent and run, and do nothing")
    parser.add_argument("--register-as", metavar="NAME", help="register the model when the job has completed")
    parser.add_argument("--experiment", default="default", help="name that runs of one purpose share")
    parser.add_argument("--name", help="what to call the run")
    _add_tags(parser)
    add_backend_options(parser, "submission")
    _add_runs(parser)
    _add_json(parser)


def _add_tags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tag", dest="tags", action=Tags, default={}, metavar="KEY=VALUE", help="note about it; repeatable"
    )


def _add_runs_commands(commands: Any, purpose: str) -> None:
    group = commands.add_parser("runs", help=purpose)
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    every = _add(actions, "list", "print the newest runs", module="runs", function="runs_list")
    every.add_argument("--experiment", help="only of this experiment")
    every.add_argument("--children", action="store_true", help="also the runs of sweeps")
    every.add_argument("--count", type=_positive, default=20, metavar="N", help="how many (default: 20)")
    show = _add(actions, "show", "print all that is known of a run", module="runs", function="runs_show")
    show.add_argument("run", help="id or folder of a run")
    compare = _add(actions, "compare", "print runs side by side", module="runs", function="runs_compare")
    compare.add_argument("chosen", nargs="+", metavar="RUN", help="id or folder of a run")
    logs = _add(actions, "logs", "print a run's log", module="runs", function="runs_logs")
    logs.add_argument("run", help="id or folder of a run")
    logs.add_argument("-f", "--follow", action="store_true", help="and what is added, until the run ends")
    for name, of_action in (("cancel", "ask runs to stop"), ("delete", "remove runs that have ended")):
        parser = _add(actions, name, of_action, module="runs", function=f"runs_{name}")
        parser.add_argument("chosen", nargs="+", metavar="RUN", help="id or folder of a run")
        _add_runs(parser)
    for parser in (every, show, compare):
        _add_json(parser)
    for parser in (every, show, compare, logs):
        _add_runs(parser)


def _add_register(commands: Any, purpose: str) -> None:
    register = _add(commands, "register", purpose, module="models")
    register.add_argument("run", help="id or folder of a run; of a sweep, its best model is kept")
    register.add_argument("name", help="what to register it as")
    register.add_argument("--description", default="", help="what to say of it")
    _add_tags(register)
    register.add_argument("--output", metavar="FILE", help="which of the run's files is the model, of a script's run")
    _add_place(register)


def _add_models_commands(commands: Any, purpose: str) -> None:
    group = commands.add_parser("models", help=purpose)
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    every = _add(actions, "list", "print the registered versions", module="models", function="models_list")
    every.add_argument("name", nargs="?", help="only of this name")
    show = _add(actions, "show", "print all that is known of a version", module="models", function="models_show")
    download = _add(
        actions, "download", "write a version's file into a folder", module="models", function="models_download"
    )
    for parser in (show, download):
        parser.add_argument("model", metavar="NAME[:VERSION]", help="a registered model, by default its newest version")
    download.add_argument("target", nargs="?", default=".", metavar="FOLDER", help="where to (default: here)")
    delete = _add(actions, "delete", "remove versions for good", module="models", function="models_delete")
    delete.add_argument("chosen", nargs="+", metavar="NAME:VERSION", help="a registered version")
    for parser in (every, show, download, delete):
        _add_place(parser)


def _add_place(parser: argparse.ArgumentParser) -> None:
    _add_runs(parser)
    _add_json(parser)


def _add_evaluate(commands: Any, purpose: str) -> None:
    evaluate = _add(commands, "evaluate", purpose)
    evaluate.add_argument("run", help="id or folder of a run")
    _add_data_folder(evaluate)
    _add_runs(evaluate)
    _add_json(evaluate)


def _add_predict(commands: Any, purpose: str) -> None:
    predict = _add(commands, "predict", purpose)
    predict.add_argument("model", help="id or folder of a run, or a saved model")
    predict.add_argument("file", help="IDX file of images, plain or gzip")
    predict.add_argument("--trust", action="store_true", help="load a pickle of unknown origin: it can run any code")
    _add_runs(predict)
    _add_json(predict)


def _add_fetch(commands: Any, purpose: str) -> None:
    fetch = _add(commands, "fetch", purpose)
    fetch.add_argument("dataset", help="mnist, fashion-mnist or kmnist")
    _add_data_folder(fetch)
    fetch.add_argument("--force", action="store_true", help="fetch again what is there already")
    _add_json(fetch)


def _add_info(commands: Any, purpose: str) -> None:
    info = _add(commands, "info", purpose)
    info.add_argument("files", nargs="+", metavar="FILE", help="IDX file, plain or gzip")
    _add_json(info)


def _add_show(commands: Any, purpose: str) -> None:
    show = _add(commands, "show", purpose)
    show.add_argument("what", help="name or folder of a data set, IDX file of images, or id or folder of a run")
    show.add_argument("--count", type=_positive, default=8, metavar="N", help="how many images (default: 8)")
    show.add_argument("--output", metavar="FILE.png", help="write a picture (extra: plots) instead of drawing here")
    _add_data_folder(show)
    _add_runs(show)


def _add_report(commands: Any, purpose: str) -> None:
    report = _add(commands, "report", purpose)
    report.add_argument("run", help="id or folder of a run")
    report.add_argument("--output", metavar="FILE.html", help="the file (default: the run's id, in this folder)")
    _add_data_folder(report)
    _add_runs(report)


def _add_serve(commands: Any, purpose: str) -> None:
    serve = _add(commands, "serve", purpose, module="serving")
    serve.add_argument("model", metavar="MODEL", help="NAME[:VERSION] of a registered model, a run, or a file")
    serve.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1, this machine only)")
    serve.add_argument("--port", type=_port, default=8000, help="0 takes any that is free (default: 8000)")
    serve.add_argument("--token", help="what requests must carry as Authorization: Bearer (default: $MNISTLIB_TOKEN)")
    serve.add_argument("--no-auth", action="store_true", help="let anybody ask, also from other machines")
    serve.add_argument(
        "--most-bytes", type=_positive, default=64 * 2**20, metavar="N", help="of a body (default: 64 MiB)"
    )
    serve.add_argument(
        "--most-waiting", type=_positive, default=256, metavar="N", help="requests in line (default: 256)"
    )
    serve.add_argument("--trust", action="store_true", help="load a pickle of unknown origin: it can run any code")
    _add_data_folder(serve)
    _add_runs(serve)
    _add_json(serve)


def _add_score(commands: Any, purpose: str) -> None:
    score = _add(commands, "score", purpose, module="score")
    score.add_argument(
        "files",
        nargs="+",
        metavar="FILE_OR_URL",
        help="IDX (plain or gzip), PNG or JSON; an address that ends in /score is the service that is asked",
    )
    score.add_argument("--service", help="a deployed service, or its address (default: $MNISTLIB_SERVICE or port 8000)")
    score.add_argument("--token", help="what the service wants as Authorization: Bearer (default: $MNISTLIB_TOKEN)")
    score.add_argument("--proba", action="store_true", help="print how probable each answer is")
    _add_place(score)


def _add_deploy(commands: Any, purpose: str) -> None:
    deploy = _add(commands, "deploy", purpose, module="services")
    deploy.add_argument("model", metavar="NAME[:VERSION]", help="a registered model, by default its newest version")
    deploy.add_argument("--name", help="what to call the service (default: like the model)")
    deploy.add_argument("--replace", action="store_true", help="let it take the place of a service of that name")
    add_backend_options(deploy, "deployment")
    _add_place(deploy)


def _add_export_service(commands: Any, purpose: str) -> None:
    export = _add(
        commands,
        "export-service",
        purpose,
        module="services",
        function="export_service",
    )
    export.add_argument("model", metavar="NAME[:VERSION]", help="a registered model, by default its newest version")
    export.add_argument("folder", metavar="DIR", help="where to; not there yet, or empty")
    _add_data_folder(export)
    _add_place(export)


def _add_services_commands(commands: Any, purpose: str) -> None:
    group = commands.add_parser("services", help=purpose)
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    every = _add(actions, "list", "print the deployed services", module="services", function="services_list")
    show = _add(actions, "show", "print what is known of a service", module="services", function="services_show")
    logs = _add(actions, "logs", "print what a service has said", module="services", function="services_logs")
    delete = _add(actions, "delete", "end services and forget them", module="services", function="services_delete")
    for parser in (show, logs):
        parser.add_argument("service", help="name of a service")
    delete.add_argument("chosen", nargs="+", metavar="SERVICE", help="name of a service")
    for parser in (every, show):
        _add_place(parser)
    for parser in (logs, delete):
        _add_runs(parser)


def _add_doctor(commands: Any, purpose: str) -> None:
    doctor = _add(commands, "doctor", purpose, module="doctor")
    _add_runs(doctor)
    _add_json(doctor)


def _add_node(commands: Any, purpose: str) -> None:
    node = commands.add_parser("node", description=purpose)
    node.set_defaults(command=_Command("node", "node"), quiet=False, debug=False)
    # Version 0.1 said --service.
    node.add_argument("--backend", "--service", required=True, help="name of the backend that has sent the job")
    node.add_argument("--sweep", help="id of the sweep that lies here; this run is one of its runs, or itself")
    node.add_argument("--trial", type=int, metavar="INDEX", help="index of the trial of the sweep that this run is")
    node.add_argument("--rate", type=float, help=argparse.SUPPRESS)  # of version 0.1: the regularization of the trial
    node.add_argument("--register-as", metavar="NAME", help="what to register the model as, in the end")
    node.add_argument("--data", metavar="FOLDER", help="where the job's data set was brought")


def _add(
    commands: Any, name: str, purpose: str, *, module: str = "commands", function: str | None = None
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=f"{purpose.capitalize()}.")
    parser.set_defaults(command=_Command(module, function or name))
    parser.add_argument("-q", "--quiet", action="store_true", help="print results and errors only")
    parser.add_argument("--debug", action="store_true", help="show the whole traceback of a failure")
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, not {text!r}")
    return number


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, not {text!r}")
    return number


def _add_data_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-folder", metavar="FOLDER", help="holds a subfolder for each data set (default: $MNISTLIB_DATA)"
    )


def _add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a backend and connect it."""
    names = ", ".join(specs())
    parser.add_argument("--backend", help=f"where runs are: {names} (default: ${BACKEND_VARIABLE} or local)")
    add_backend_options(parser, "connection")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


class _Command:
    """Runs a function of a module of ``mnistlib.cli``, imported only then."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, options: argparse.Namespace) -> Answer | None:
        function: Callable[[argparse.Namespace], Answer | None]
        function = getattr(importlib.import_module(f"mnistlib.cli.{self._module}"), self._name)
        return function(options)


class _Version(argparse.Action):
    """Prints the version; like argparse's own, but looks it up only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from mnistlib._version import __version__

        print(f"mnistlib {__version__}")
        parser.exit()


#: Command -> its purpose in one line, and the function that adds its options.
_COMMANDS: Mapping[str, tuple[str, Callable[[Any, str], None]]] = {
    "train": ("train a model and keep it in a run folder", _add_train),
    "sweep": ("train with several values of the regularization and find the best", _add_sweep),
    "runs": ("list, show, compare, follow, cancel and delete runs", _add_runs_commands),
    "register": ("keep a run's model under a name and its next version", _add_register),
    "models": ("list, show, download and delete registered models", _add_models_commands),
    "evaluate": ("print accuracy, confusion matrix, precision and recall of a run's model", _add_evaluate),
    "predict": ("print the label of each image in an IDX file, one a line", _add_predict),
    "fetch": ("download a data set and print where its files are", _add_fetch),
    "info": ("print what IDX files announce", _add_info),
    "show": ("draw samples of a data set or IDX file, or the worst mistakes of a run", _add_show),
    "report": ("write one HTML file that shows a run or a sweep", _add_report),
    "serve": ("answer with a model over HTTP, with a page to draw on", _add_serve),
    "score": ("ask a service for the label of each image in files", _add_score),
    "deploy": ("start a service that answers with a registered model", _add_deploy),
    "services": ("list, show and delete deployed services, and print their logs", _add_services_commands),
    "export-service": ("write a folder with a Dockerfile that serves a registered model", _add_export_service),
    "doctor": ("say whether all is there that a first job needs, and change nothing", _add_doctor),
}
#: A command without a line of help: a backend writes it, and no person.
_NODE = "node"
