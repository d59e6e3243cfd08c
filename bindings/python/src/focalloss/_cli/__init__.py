"""The commands of `python -m focalloss`; they need the extra `focalloss[cli]`."""
