"""The entry script of the workspace: who looks, what they may see, and the page they chose."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
# Streamlit puts this folder on the path, where prompts.py would hide the package of that name.
sys.path[:] = [folder for folder in sys.path if folder != str(HERE)]

import streamlit as st  # noqa: E402

from app.workspace.components import (  # noqa: E402
    access,
    keys,
    navigation,
    settling,
    sidebar,
    url,
)
from app.workspace.strings import t  # noqa: E402

st.set_page_config(
    page_title="Promptstone",
    page_icon=str(HERE / "assets" / "icon.png"),
    layout="wide",
    initial_sidebar_state="auto",
)

user = access.sign_in()
if user is None:
    st.title(t("sign_in.title"), anchor=False)
    st.text(t("sign_in.how"))
    st.stop()

page = st.navigation(navigation.sections(user.role), expanded=True)
url.left()
url.announce()
sidebar.draw(user)
with st.sidebar:
    keys.mount(navigation.FIELDS.get(page.url_path, {}))
    sidebar.states()
page.run()
settling.settle(page.url_path)
