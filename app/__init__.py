"""GalLoP Explorer in the browser: ``gallop app``, or ``streamlit run app/main.py`` in a clone."""
