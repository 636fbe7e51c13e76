"""Other programs at work on a Delta table, for the tests: delta-rs and DuckDB.

readers.py read TABLE [VERSION]    what each of them sees of it, as JSON
readers.py append TABLE            delta-rs adds a row of page /appended
readers.py checkpoint TABLE        delta-rs writes a checkpoint
"""
import datetime
import glob
import json
import os
import sys

import deltalake
import duckdb
import duckdb_extension_delta
import pyarrow


def by_delta_rs(table, version):
    opened = deltalake.DeltaTable(table, version=version)
    rows = opened.to_pyarrow_table()
    start = datetime.datetime(2026, 11, 23, 3, 35, tzinfo=datetime.timezone.utc)
    actions = pyarrow.table(opened.get_add_actions(flatten=True)).to_pylist()
    return {
        "version": opened.version(),
        "id": str(opened.metadata().id),
        "rows": rows.num_rows,
        "views": sum(rows["view_count"].to_pylist()),
        "dates": sorted({str(d) for d in rows["window_date"].to_pylist()}),
        # How many files the statistics and the partitions leave.
        "ofWindow": sum(1 for a in actions if a["min.window_start"] <= start <= a["max.window_start"]),
        "ofDate": len(opened.file_uris([("window_date", "=", "2026-11-23")])),
        "operations": [entry["operation"] for entry in opened.history()],
    }


def by_duckdb(table, version):
    connection = duckdb.connect()
    folder = os.path.dirname(duckdb_extension_delta.__file__)
    [extension] = glob.glob(folder + "/extensions/*/delta.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
    at = "" if version is None else f", version => {version}"
    scan = f"delta_scan('{table}'{at})"
    rows, views = connection.execute(f"SELECT count(*), sum(view_count)::BIGINT FROM {scan}").fetchone()
    window = connection.execute(
        f"SELECT count(*) FROM {scan} WHERE window_start = TIMESTAMPTZ '2026-11-23 03:35:00+00'").fetchone()[0]
    dates = connection.execute(f"SELECT DISTINCT window_date::VARCHAR FROM {scan} ORDER BY 1").fetchall()
    return {"rows": rows, "views": views, "dates": [d for (d,) in dates], "rowsOfWindow": window}


def read(table, version=None):
    version = None if version is None else int(version)
    json.dump({"delta-rs": by_delta_rs(table, version), "duckdb": by_duckdb(table, version)}, sys.stdout)


def append(table):
    start = datetime.datetime(2026, 11, 24, 0, 0, tzinfo=datetime.timezone.utc)
    rows = {
        "window_start": [start], "window_end": [start + datetime.timedelta(minutes=1)],
        "page_url": ["/appended"], "view_count": [1], "window_date": [start.date()],
    }
    schema = deltalake.DeltaTable(table).schema().to_arrow()
    deltalake.write_deltalake(table, pyarrow.table(rows, schema=pyarrow.schema(schema)), mode="append")


def checkpoint(table):
    deltalake.DeltaTable(table).create_checkpoint()


if __name__ == "__main__":
    {"read": read, "append": append, "checkpoint": checkpoint}[sys.argv[1]](*sys.argv[2:])
