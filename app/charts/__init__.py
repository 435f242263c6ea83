"""Figures in, plotly charts out."""
