"""The Django site of these tests: three databases, tasks of every kind."""
