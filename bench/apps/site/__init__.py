"""A Django site as `startproject` makes it: default applications, 7 default middleware."""
