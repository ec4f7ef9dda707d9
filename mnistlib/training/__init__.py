"""Training of classifiers on a data set.

options         options of a training and of a sweep
preprocessing   normalization of pixels to features, and conversion of a classifier of features to one of pixels
solvers         the solvers by name
fit             training and scoring of one model
evaluation      accuracy, confusion matrix and mistakes on labelled images
"""
