"""Models of runs: files, registered versions, and deployed services.

artifact     model file of a run, with its description
exports      model files in the formats skops and ONNX
service      a deployed model, and the rules for its name
client       client of a service's HTTP interface
version      a registered model
interfaces   interfaces of a backend's models and services
registry     model registry in a folder
"""
