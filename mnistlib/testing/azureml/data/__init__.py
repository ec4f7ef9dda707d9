"""Data: the storage account, datastores, data sets and data assets."""
