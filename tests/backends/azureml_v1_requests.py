"""The requests of AzureMLBackend at each step, and the errors if one of them fails permanently."""

from collections.abc import Mapping, Sequence

from tests.backends.azureml_steps import (
    Step,
    bring_result,
    cancel,
    connect,
    delete_cluster,
    delete_model,
    delete_service,
    deploy,
    find_cluster,
    list_models,
    list_runs,
    load_model,
    look_at_logs,
    look_at_metrics,
    look_at_service,
    make_cluster,
    register_environment,
    register_model,
    send_data,
    sign_in,
    submit,
    submit_sweep,
    wait,
)

#: The requests of each step, in the form of a fault's `match`, without those to the blob store, which have their own
#: table.
REQUESTS: Mapping[Step, Sequence[str]] = {
    sign_in: ("GET login.*/openid-configuration", "POST login.*/token"),
    connect: ("GET management.*/subscriptions$", "GET management.*/loopback$"),
    find_cluster: ("GET .*/computes/cpu-cluster",),
    make_cluster: ("GET .*/vmSizes", "GET .*/computes/", "PUT .*/computes/"),
    delete_cluster: ("GET .*/computes/", "DELETE .*/computes/"),
    submit: (
        "GET .*/computes/",
        "GET .*/environments/",
        "GET .*/experiments/e-",
        "POST .*/experiments/e-[0-9a-f]+$",
        "POST .*/getblob",
        "POST .*/content/.*/snapshots/[0-9a-f-]{36}$",
        "POST .*/snapshotrun",
        "PATCH .*/experiments/.*/runs/",
        "GET .*/runs/",
        "PATCH .*/experimentids/.*/runs/",
    ),
    submit_sweep: ("PATCH .*/experiments/.*/runs/", "POST .*/events"),
    send_data: ("GET .*/datastore/.*/default",),
    register_environment: ("PUT .*/environments/",),
    wait: ("GET .*/runs/",),
    look_at_metrics: ("GET .*/contentinfo/",),
    look_at_logs: ("GET .*/contentinfo/",),
    bring_result: ("GET .*/artifacts/ExperimentRun/", "GET .*/contentinfo/"),
    cancel: ("POST .*/cancel$", "GET .*/metricsingest/wait"),
    list_runs: ("POST .*/experiments:query", "POST .*/runs:query"),
    register_model: ("GET .*/prefix/contentinfo/", "POST .*/assets$", "POST .*/models$", "GET .*/models$"),
    list_models: ("GET .*/models$",),
    load_model: ("GET .*/models$", "GET .*/assets/", "GET .*/prefix/contentinfo/"),
    delete_model: ("GET .*/models/", "DELETE .*/models/"),
    deploy: (
        "GET .*/services/s-[^/]+$",
        "GET .*/models/kept:1$",
        "POST .*/artifacts/batch/metadata/",
        "POST .*/services$",
        "GET .*/operations/",
    ),
    look_at_service: ("GET .*/services$", "GET .*/services/s-[^/]+$", "POST .*/listkeys$", "GET .*/logs$"),
    delete_service: ("GET .*/services/s-[^/]+$", "DELETE .*/services/"),
}

#: For each step a request that fails permanently, and the error.
FAILURES: Mapping[Step, tuple[str, str]] = {
    sign_in: ("POST login.*/token", "opening the workspace failed: "),
    connect: ("GET management.*/loopback$", "opening the workspace failed: "),
    find_cluster: ("GET .*/computes/", "looking at cluster cpu-cluster failed: "),
    make_cluster: ("PUT .*/computes/", r"could not create cluster c\w+: .*\. Delete it with .* before"),
    delete_cluster: ("DELETE .*/computes/", r"deleting c\w+ failed: "),
    submit: ("POST .*/snapshotrun", r"submitting run (e-\S+) .*mnistlib runs show \1 --backend azureml\) failed: "),
    submit_sweep: ("POST .*/events", r"recording sweep e-\S+ failed: "),
    send_data: ("GET .*/datastore/.*/default", "opening the default datastore failed: "),
    register_environment: ("PUT .*/environments/", "looking for the environment failed: "),
    wait: ("GET .*/runs/", r"looking at run default_\S+ failed: "),
    look_at_metrics: ("GET .*/contentinfo/", r"fetching logs/metrics.jsonl of run default_\S+ failed: "),
    bring_result: ("GET .*/artifacts/ExperimentRun/", r"listing the files of run default_\S+ failed: "),
    cancel: ("POST .*/cancel$", r"cancelling run default_\S+ failed: "),
    list_runs: ("POST .*/runs:query", "listing the runs failed: "),
    register_model: ("POST .*/models$", r"registering model m-\w+ failed: "),
    list_models: ("GET .*/models$", "listing the models failed: "),
    load_model: ("GET .*/prefix/contentinfo/", "downloading model kept failed: "),
    delete_model: ("DELETE .*/models/", r"deleting model m-\w+:1 failed: "),
    deploy: ("POST .*/services$", r"deploying service s-\w+ failed: "),
    look_at_service: ("POST .*/listkeys$", r"fetching the keys of service s-\w+ failed: "),
    delete_service: ("DELETE .*/services/", r"deleting service s-\w+ failed: "),
}

#: The uploads of a snapshot's files, by the last part of their names, and a request for the state of a file.
CODE_FILES = (
    *[f"PUT .*blob.*/snapshots/[0-9a-f]+/{number}$" for number in range(4)],
    "HEAD .*blob.*/snapshots/[0-9a-f]+/4$",
)
