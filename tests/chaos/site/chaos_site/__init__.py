"""The site whose jobs are harmed."""
