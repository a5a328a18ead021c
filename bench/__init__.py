"""Corral measured beside other servers; run.py is the way in."""
