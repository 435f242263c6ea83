"""Everything that knows Streamlit: a folder a page, the explanation and widgets that pages share."""
