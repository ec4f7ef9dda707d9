"""A data set in, a classifier and its metrics out.

options         the options of a training and of a sweep
preprocessing   pixels to features, and the classifier of features back to one of pixels
solvers         the solvers by name
fit             the training of one model
evaluation      accuracy, confusion and mistakes on labelled images
"""
