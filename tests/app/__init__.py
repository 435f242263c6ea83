"""The tests of the app: all of them need its extra."""

import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")
