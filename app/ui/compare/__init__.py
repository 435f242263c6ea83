"""The page Compare: kept runs beside each other."""
