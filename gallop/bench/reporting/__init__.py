"""Records in, what is told of them out: tables, claims, costs and charts."""
