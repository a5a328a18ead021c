"""An app whose schedule cannot be."""
