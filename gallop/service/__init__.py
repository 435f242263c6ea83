"""The library at work for others: models over HTTP, and tables of answers to photos by the million."""
