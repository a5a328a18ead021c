"""A module that ends the process of who imports it."""

import sys

sys.exit(7)
