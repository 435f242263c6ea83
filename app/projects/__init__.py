"""A project as one file: what a visitor has goes in, a zip comes out, and the other way."""
