"""What an app needs that strangers use, and one's own machine does not: who makes room for whom. Knows no Streamlit."""
