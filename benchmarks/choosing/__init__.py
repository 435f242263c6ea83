"""Choosing one configuration for ``mini``: train folders in, tables of candidates out; what was trained is saved."""
