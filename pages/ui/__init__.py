"""What pages share, and the only place beside them that imports streamlit."""
