"""Records in; tables, claims, costs and charts out."""
