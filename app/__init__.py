"""GalLoP Explorer in the browser: ``streamlit run app/main.py``."""
