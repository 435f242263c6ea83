"""The frozen towers that all visitors share: which there are, loading them beside the pages, and room for them."""
