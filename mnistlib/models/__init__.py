"""Models that a run has made: files, registered versions, and the services that they are deployed as.

artifact     the model that a run leaves on disk, with its description
exports      the same as skops and ONNX
service      a deployed model, and the rules for its name
client       client of a service's HTTP interface
version      a registered model
interfaces   registries of models and of services, as each backend has them
registry     the registry in a folder
"""
