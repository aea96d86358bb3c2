"""The page that anybody would write first: all of a run in one `st.dataframe`.

    streamlit run benchmarks/matrix_plain.py -- DATABASE RUN

The cell that is clicked stands below it whole, as in the workspace's inspector.
"""

import sqlite3
import sys

import pandas as pd
import streamlit as st

_QUERY = """SELECT k.case_id AS "case", a.arm, w.output FROM cells a
JOIN cases k ON k.id = a.case_ref JOIN answers w ON w.id = a.answer_id
WHERE a.run_id = ? ORDER BY a.number"""


@st.cache_data
def outputs(file: str, run: str) -> pd.DataFrame:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        rows = pd.read_sql_query(_QUERY, connection, params=(run,))
    wide = rows.pivot_table(
        index="case", columns="arm", values="output", aggfunc="first", sort=False
    )
    wide.columns = [f"arm {arm}" for arm in wide.columns]
    return wide.reset_index()


frame = outputs(*sys.argv[1:3])
event = st.dataframe(
    frame, on_select="rerun", selection_mode="single-cell", hide_index=True, height=640
)
cells = event["selection"]["cells"]
if cells:
    st.text(frame.loc[cells[0][0], cells[0][1]])
