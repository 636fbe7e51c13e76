import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.from_json;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.timestamp_millis;
import static org.apache.spark.sql.functions.window;

import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.Trigger;
import org.apache.spark.sql.types.StructType;

/**
 * The reference job on Spark Structured Streaming: page views per minute, with a watermark of five minutes, in
 * append mode, from a topic of JSON clicks into a Delta table. It reads what there is and ends.
 *
 * <p>What is fair to it: all of both cores, a shuffle of two partitions in place of the usual two hundred, Kryo, no
 * user interface, and one batch for all that there is, so that nothing is planned twice.
 */
public final class SparkPeer {
  public static void main(String[] args) throws Exception {
    String brokers = args[0], topic = args[1], dir = args[2];
    SparkSession spark = SparkSession.builder()
        .appName("peer").master("local[2]")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        .config("spark.local.dir", dir + "/local")
        .getOrCreate();
    spark.sparkContext().setLogLevel("WARN");
    StructType click = StructType.fromDDL(
        "event_id STRING, user_id STRING, page_url STRING, timestamp BIGINT, session_id STRING");
    spark.readStream().format("kafka")
        .option("kafka.bootstrap.servers", brokers).option("subscribe", topic).option("startingOffsets", "earliest")
        .load()
        .select(from_json(col("value").cast("string"), click).as("click"))
        .select(timestamp_millis(col("click.timestamp")).as("at"), col("click.page_url").as("page_url"))
        .withWatermark("at", "5 minutes")
        .groupBy(window(col("at"), "1 minute"), col("page_url"))
        .agg(count(lit(1)).as("view_count"))
        .select(col("window.start").as("window_start"), col("window.end").as("window_end"), col("page_url"), col("view_count"))
        .writeStream().format("delta").outputMode("append")
        .option("checkpointLocation", dir + "/checkpoint")
        .trigger(Trigger.AvailableNow())
        .start(dir + "/table")
        .awaitTermination();
    spark.stop();
  }
}
