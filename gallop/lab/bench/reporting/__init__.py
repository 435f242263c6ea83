"""Records in; tables, a chart and every figure as CSV out."""
