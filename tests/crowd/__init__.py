"""Badly behaved clients by the hundred, in a process of their own. See README.md."""

from crowd.attack import Attack
from crowd.level import Level
from crowd.probe import Probe

__all__ = ["Attack", "Level", "Probe"]
