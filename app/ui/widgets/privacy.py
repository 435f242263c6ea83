"""What happens to photos and names, in one sentence that a test holds true."""

import streamlit as st


def line() -> None:
    st.caption(
        ":material/lock: Photos stay in memory, sent to no other machine.",
        help="They stay with the program behind this page until a few minutes after you close it, and are written to "
        "no disk. What a training learns is kept, with its class names: see the page *Compare*.",
    )
