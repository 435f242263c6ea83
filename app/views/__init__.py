"""What the pages show, worked out from a session: no Streamlit, no torch at import."""
