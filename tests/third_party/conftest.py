#: A distribution of its own, whose tests run where it is installed.
collect_ignore = ["toy"]
