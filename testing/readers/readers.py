"""Another program at work on Delta tables: delta-rs, DuckDB or Spark, as the first argument says. It starts once and
does what it is told, a line of JSON from stdin each: {"do": method, its arguments…}. To each it answers a line,
{"answer": …} or {"error": text}. It ends when stdin does.

Rows are [window_start, window_end, page_url, view_count, window_date], times in microseconds since 1970, and
unique_users behind them where it is asked for.
"""
import datetime
import glob
import json
import os
import sys
import urllib.parse

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def conditions(timestamp, start, end, date, least):
    """SQL that chooses rows, where timestamp(text) is a literal."""
    said = ["true"]
    if start is not None:
        said.append("window_start >= " + timestamp(text(start)))
    if end is not None:
        said.append("window_start < " + timestamp(text(end)))
    if date is not None:
        said.append(f"window_date = DATE '{date}'")
    if least is not None:
        said.append(f"view_count >= {least}")
    return " AND ".join(said)


def moment(micros):
    return EPOCH + datetime.timedelta(microseconds=micros)


def values(row):
    start, end, page, views, date = row
    return [moment(start), moment(end), page, views, datetime.date.fromisoformat(date)]


def text(micros):
    return moment(micros).strftime("%Y-%m-%d %H:%M:%S.%f")


class DeltaRS:
    def __init__(self):
        import deltalake
        import pyarrow
        import pyarrow.dataset
        self.deltalake, self.pyarrow, self.field = deltalake, pyarrow, pyarrow.dataset.field

    def read(self, table, version=None, start=None, end=None, date=None, page=None, least=None, users=False):
        wanted = []
        if start is not None:
            wanted.append(self.field("window_start") >= moment(start))
        if end is not None:
            wanted.append(self.field("window_start") < moment(end))
        if date is not None:
            wanted.append(self.field("window_date") == datetime.date.fromisoformat(date))
        if page is not None:
            wanted.append(self.field("page_url") == page)
        if least is not None:
            wanted.append(self.field("view_count") >= least)
        every = None
        for one in wanted:
            every = one if every is None else every & one
        opened = self.deltalake.DeltaTable(table, version=version)
        found = opened.to_pyarrow_dataset().to_table(filter=every)
        micros = [found[name].cast("int64").to_pylist() for name in ("window_start", "window_end")]
        dates = [str(d) for d in found["window_date"].to_pylist()]
        more = [found["unique_users"].to_pylist()] if users else []
        return list(zip(*micros, found["page_url"].to_pylist(), found["view_count"].to_pylist(), dates, *more))

    def about(self, table):
        opened = self.deltalake.DeltaTable(table)
        operations = [entry["operation"] for entry in opened.history()]
        return {"id": str(opened.metadata().id), "version": opened.version(), "operations": operations}

    def append(self, table, rows):
        schema = self.pyarrow.schema(self.deltalake.DeltaTable(table).schema().to_arrow())
        columns = zip(*map(values, rows))
        self.deltalake.write_deltalake(table, self.pyarrow.table(dict(zip(schema.names, columns)), schema=schema), mode="append")

    def checkpoint(self, table):
        self.deltalake.DeltaTable(table).create_checkpoint()

    def optimize(self, table):
        self.deltalake.DeltaTable(table).optimize.compact()

    def vacuum(self, table):
        opened = self.deltalake.DeltaTable(table)
        return opened.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False, full=True)


class DuckDB:
    def __init__(self):
        import duckdb
        import duckdb_extension_delta
        self.connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
        [extension] = glob.glob(os.path.dirname(duckdb_extension_delta.__file__) + "/extensions/*/delta.duckdb_extension")
        self.connection.execute(f"LOAD '{extension}'")

    def read(self, table, version=None, start=None, end=None, date=None, page=None, least=None, users=False):
        at = "" if version is None else f", version => {version}"
        chosen = conditions(lambda text: f"TIMESTAMPTZ '{text}+00'", start, end, date, least)
        values = []
        if page is not None:
            chosen += " AND page_url = ?" # SQL takes no text with a zero
            values.append(page)
        return self.connection.execute(
            "SELECT epoch_us(window_start), epoch_us(window_end), page_url, view_count, window_date::VARCHAR"
            + (", unique_users" if users else "") + f" FROM delta_scan('{table}'{at}) WHERE {chosen}", values).fetchall()


class Spark:
    """One session of two threads, which reaches nothing but 127.0.0.1, and writes in the current folder alone."""

    def __init__(self):
        import pyspark
        here = os.getcwd()
        os.environ["SPARK_HOME"] = os.path.dirname(pyspark.__file__)
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        java = f"-Djava.io.tmpdir={here} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData"
        from pyspark.sql import SparkSession
        builder = SparkSession.builder.master("local[2]")
        for key, value in {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.driver.memory": "1g",
            "spark.driver.extraJavaOptions": java,
            "spark.driver.extraClassPath": os.environ["CLICKSTREAM_TEST_SPARK_JARS"] + "/*",
            "spark.local.dir": here,
            "spark.sql.warehouse.dir": here,
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.sql.session.timeZone": "UTC",
            # For tables as small as these.
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.sources.parallelPartitionDiscovery.parallelism": "1",
            "spark.databricks.delta.snapshotPartitions": "1",
            "spark.databricks.delta.retentionDurationCheck.enabled": "false", # what it is asked for is a dry run
        }.items():
            builder = builder.config(key, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")

    def read(self, table, version=None, start=None, end=None, date=None, page=None, least=None, users=False):
        reader = self.session.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        chosen = conditions(lambda text: f"TIMESTAMP '{text}'", start, end, date, least)
        rows = reader.load(table).where(chosen)
        if page is not None:
            rows = rows.where(rows.page_url == page)
        return [list(row) for row in rows.selectExpr(
            "unix_micros(window_start)", "unix_micros(window_end)", "page_url", "view_count", "CAST(window_date AS STRING)", *(["unique_users"] if users else [])).collect()]

    def append(self, table, rows):
        schema = self.session.read.format("delta").load(table).schema
        frame = self.session.createDataFrame([values(row) for row in rows], schema)
        frame.coalesce(1).write.format("delta").mode("append").save(table)

    def checkpoint(self, table):
        delta = self.session._jvm.org.apache.spark.sql.delta
        delta.DeltaLog.forTable(self.session._jsparkSession, table).checkpoint()

    def optimize(self, table):
        self.session.sql(f"OPTIMIZE delta.`{table}`").collect()

    def vacuum(self, table):
        found = self.session.sql(f"VACUUM delta.`{table}` RETAIN 0 HOURS DRY RUN").collect()
        return [os.path.relpath(urllib.parse.unquote(urllib.parse.urlparse(path).path), table) for (path,) in found]

    def end(self):
        java = self.session.sparkContext._gateway.proc
        self.session.stop()
        java.stdin.close() # which is what it ends at
        java.wait()


def main():
    answers = os.fdopen(os.dup(1), "w") # where nothing else is printed
    os.dup2(2, 1)
    program = {"delta-rs": DeltaRS, "duckdb": DuckDB, "spark": Spark}[sys.argv[1]]()
    for line in sys.stdin:
        told = json.loads(line)
        try:
            answer = {"answer": getattr(program, told.pop("do"))(**told)}
        except Exception as error:
            said, _, _ = str(error).partition("\n\tat ") # without Java's stack
            answer = {"error": f"{type(error).__name__}: {said}"}
        print(json.dumps(answer), file=answers, flush=True)
    if hasattr(program, "end"):
        program.end()


if __name__ == "__main__":
    main()
