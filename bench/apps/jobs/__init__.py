"""A site with the same two tasks for every task system; see bench/tasks.py."""
