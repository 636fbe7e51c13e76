import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/**
 * The reference job in Flink SQL: page views per minute, with a watermark of five minutes, from a topic of JSON
 * clicks. It reads what there is, with checkpoints, and ends.
 *
 * <p>What is fair to it: all of both cores, counts before the shuffle (two phases, in mini batches of a second),
 * objects used again, and a sink that throws the rows away: nothing is written, no table, no log.
 */
public final class FlinkPeer {
  public static void main(String[] args) throws Exception {
    String brokers = args[0], topic = args[1], dir = args[2];
    Configuration c = new Configuration();
    c.setString("parallelism.default", "2");
    c.setString("execution.checkpointing.interval", "10 s");
    c.setString("state.checkpoints.dir", "file://" + dir + "/checkpoints");
    c.setString("pipeline.object-reuse", "true");
    c.setString("table.optimizer.agg-phase-strategy", "TWO_PHASE");
    c.setString("table.exec.mini-batch.enabled", "true");
    c.setString("table.exec.mini-batch.allow-latency", "1 s");
    c.setString("table.exec.mini-batch.size", "100000");
    c.setString("table.local-time-zone", "UTC");
    c.setString("rest.bind-address", "127.0.0.1");
    c.setString("taskmanager.memory.network.max", "64m");
    TableEnvironment t = TableEnvironment.create(EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(c).build());
    t.executeSql("CREATE TABLE clicks (event_id STRING, user_id STRING, page_url STRING, `timestamp` BIGINT, session_id STRING,"
        + " clicked AS TO_TIMESTAMP_LTZ(`timestamp`, 3), WATERMARK FOR clicked AS clicked - INTERVAL '5' MINUTE)"
        + " WITH ('connector' = 'kafka', 'format' = 'json', 'json.ignore-parse-errors' = 'true',"
        + " 'properties.bootstrap.servers' = '" + brokers + "', 'topic' = '" + topic + "',"
        + " 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset')");
    t.executeSql("CREATE TABLE counted (window_start TIMESTAMP(3), window_end TIMESTAMP(3), page_url STRING, view_count BIGINT)"
        + " WITH ('connector' = 'blackhole')");
    t.executeSql("INSERT INTO counted SELECT window_start, window_end, page_url, COUNT(*)"
        + " FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(clicked), INTERVAL '1' MINUTE))"
        + " GROUP BY window_start, window_end, page_url").await();
    System.exit(0);
  }
}
