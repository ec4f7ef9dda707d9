"""The requests of AzureMLv2Backend at each step, and the errors if one of them fails permanently."""

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
    connect: ("GET management.*/loopback$", "GET .*/discovery$"),
    find_cluster: ("GET .*/computes/cpu-cluster", "POST .*/listNodes"),
    make_cluster: ("GET .*/vmSizes", "GET .*/computes/", "PUT .*/computes/"),
    delete_cluster: ("GET .*/computes/", "DELETE .*/computes/"),
    submit: (
        "GET .*/computes/",
        "GET .*/environments/",
        "GET .*/codes/.*/versions$",
        "POST .*/startPendingUpload",
        "PUT .*/codes/",
        "PUT .*/jobs/",
    ),
    submit_sweep: ("PUT .*/jobs/", "GET .*/children"),
    send_data: ("GET .*/data/", "GET .*/datastores/", "POST .*/listSecrets", "PUT .*/data/"),
    register_environment: ("PUT .*/environments/",),
    wait: ("GET .*/runs/",),
    look_at_metrics: ("GET .*/contentinfo/",),
    look_at_logs: ("GET .*/contentinfo/",),
    bring_result: ("GET .*/artifacts/ExperimentRun/", "GET .*/contentinfo/"),
    cancel: ("POST .*/cancel$",),
    list_runs: ("POST .*/experiments:query", "POST .*/runs:query"),
    register_model: ("GET .*/models/[^/]+/versions$", "GET .*/models/[^/]+$", "PUT .*/models/"),
    list_models: ("GET .*/models/[^/]+/versions$",),
    load_model: ("GET .*/versions$", "GET .*/versions/1$", "GET .*/datastores/", "POST .*/listSecrets"),
    delete_model: ("GET .*/models/[^/]+/versions$", "DELETE .*/models/"),
    deploy: (
        "GET .*/onlineEndpoints/s-[^/]+$",
        "PUT .*/onlineEndpoints/s-[^/]+$",
        "GET .*/environments/",
        "GET .*/loopback$",
        "GET .*/deployments/version-1$",
        "PUT .*/deployments/version-1$",
    ),
    look_at_service: (
        "GET .*/onlineEndpoints$",
        "GET .*/onlineEndpoints/s-[^/]+$",
        "GET .*/s-[^/]+/deployments$",
        "POST .*/listKeys$",
        "POST .*/getLogs$",
    ),
    delete_service: ("GET .*/onlineEndpoints/s-[^/]+$", "DELETE .*/onlineEndpoints/"),
}

#: For each step a request that fails permanently, and the error.
FAILURES: Mapping[Step, tuple[str, str]] = {
    sign_in: ("POST login.*/token", "opening the workspace failed: "),
    connect: ("GET management.*/loopback$", "opening the workspace failed: "),
    find_cluster: ("GET .*/computes/", "looking at cluster cpu-cluster failed: "),
    make_cluster: ("PUT .*/computes/", r"could not create cluster c\w+: .*\. Delete it with .* before"),
    delete_cluster: ("DELETE .*/computes/", r"deleting c\w+ failed: "),
    submit: ("PUT .*/jobs/", r"submitting run (e-\S+) .*mnistlib runs show \1 --backend azureml-v2\) failed: "),
    submit_sweep: ("PUT .*/jobs/", r"submitting run (e-\S+) .*mnistlib runs show \1 --backend azureml-v2\) failed: "),
    send_data: ("PUT .*/data/", "sending the data failed: "),
    register_environment: ("PUT .*/environments/", "looking for the environment failed: "),
    wait: ("GET .*/runs/", r"looking at run default_\S+ failed: "),
    look_at_metrics: ("GET .*/contentinfo/", r"fetching logs/metrics.jsonl of run default_\S+ failed: "),
    bring_result: ("GET .*/artifacts/ExperimentRun/", r"listing the files of run default_\S+ failed: "),
    cancel: ("POST .*/cancel$", r"cancelling run default_\S+ failed: "),
    list_runs: ("POST .*/runs:query", "listing the runs failed: "),
    register_model: ("PUT .*/models/", r"registering model m-\w+ failed: "),
    list_models: ("GET .*/versions$", "listing the models failed: "),
    load_model: ("GET .*/datastores/", "downloading model kept:1 failed: "),
    delete_model: ("DELETE .*/models/", r"deleting model m-\w+:1 failed: "),
    deploy: ("PUT .*/deployments/", r"deploying service s-\w+ failed: "),
    look_at_service: ("POST .*/listKeys$", r"fetching the keys of service s-\w+ failed: "),
    delete_service: ("DELETE .*/onlineEndpoints/", r"deleting service s-\w+ failed: "),
}

#: The uploads of a job's source files, and a request for the state of a file.
CODE_FILES = (
    *[f"PUT .*blob.*/code-.*/{number}.py$" for number in range(3)],
    "PUT .*blob.*/train.py$",
    "HEAD .*blob.*/code-",
)
