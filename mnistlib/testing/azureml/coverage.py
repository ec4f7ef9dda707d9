"""Coverage page of the documentation, generated from the route table."""

from mnistlib.testing.azureml.resource import RouteEntry
from mnistlib.testing.azureml.routes import route_table

_INTRODUCTION = """\
<!-- Generated: python -m mnistlib.testing.azureml --coverage > docs/emulator-coverage.md -->

# Coverage of the emulator

The routes of Azure ML in `mnistlib.testing.azureml`, by resource: {covered} are covered, {missing} are answered with
status 501. Requests to other addresses are answered with 501 too; the message names the request.

- `{{WORKSPACE}}` stands for `/subscriptions/{{subscription}}/resourceGroups/{{group}}` and
  `/providers/Microsoft.MachineLearningServices/workspaces/{{workspace}}`. The SDKs send versions such as `v1.0`; the
  emulator answers any version alike.
- *Clients*: v1 is azureml-core, v2 is azure-ai-ml, MLflow is its client with the plugin azureml-mlflow.
- *Answer*: "covered", with the unsupported requests to this route, which are answered with 501, or "501".
"""


def coverage_page() -> str:
    """Return the page, in Markdown."""
    table = route_table()
    entries = [entry for group in table.values() for entry in group]
    covered = sum(entry.handler is not None for entry in entries)
    lines = [_INTRODUCTION.format(covered=covered, missing=len(entries) - covered)]
    for folder, group in sorted(table.items()):
        lines += [f"## {folder}\n", "| Request | Clients | Purpose | Answer |", "|---|---|---|---|"]
        lines += [*map(_line, group), ""]
    return "\n".join(lines).rstrip() + "\n"


def _line(entry: RouteEntry) -> str:
    answer = "501" if entry.handler is None else "covered"
    if entry.unsupported:
        answer += f"; 501 for {entry.unsupported}"
    return f"| {', '.join(entry.methods)} `{entry.address}` | {entry.clients} | {entry.purpose} | {answer} |"
