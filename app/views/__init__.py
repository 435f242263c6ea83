"""What the pages show, computed from a session: no Streamlit, no torch at import."""
