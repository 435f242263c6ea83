"""What happens to photos and names, in one sentence that a test holds true."""

import streamlit as st


def line() -> None:
    st.caption(
        ":material/lock: Photos stay with the program behind this page: kept in memory until a few minutes after you "
        "close it, written to no disk, sent to no other machine. What a training learns is kept, with its class names: "
        "see the page *Compare*."
    )
