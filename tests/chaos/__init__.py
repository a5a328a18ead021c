"""Harm done to nodes, hosts and databases while they work, and an audit of what is left."""
