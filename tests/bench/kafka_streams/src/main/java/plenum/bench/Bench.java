package plenum.bench;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The workload on Kafka Streams: Processor API, a store with a cache in front and a changelog behind. */
public final class Bench {
  private static final String STORE = "units";
  private static final String COMMIT_MS = "1000";

  private Bench() {}

  /** Steps of the units of one task. */
  private static final class Watch implements Processor<String, byte[], String, byte[]> {
    private final Frame frame = new Frame();
    private final Unit unit;
    private ProcessorContext<String, byte[]> context;
    private KeyValueStore<String, byte[]> store;

    Watch(Parameters parameters) {
      unit = new Unit(parameters);
    }

    @Override
    public void init(ProcessorContext<String, byte[]> given) {
      context = given;
      store = given.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, byte[]> record) {
      byte[] payload = record.value();
      frame.read(payload);
      byte[] next = new byte[unit.memoryBytes()];
      byte transition = unit.step(store.get(record.key()), next, payload, frame);
      store.put(record.key(), next);
      if (transition != Unit.NOTHING) {
        String alert =
            "{\"unit\":\"" + record.key()
                + "\",\"state\":\"" + (transition == Unit.RAISED ? "raised" : "cleared")
                + "\",\"measured_at_ms\":" + frame.measuredAtMs
                + ",\"score\":" + unit.probability
                + ",\"rules\":" + unit.rules + "}";
        context.forward(record.withValue(alert.getBytes(StandardCharsets.UTF_8)));
      }
    }
  }

  /** Run until a signal ends it. */
  public static void main(String[] words) throws IOException, InterruptedException {
    Map<String, String> told = new HashMap<>();
    for (int i = 0; i + 1 < words.length; i += 2) {
      told.put(words[i].substring(2), words[i + 1]);
    }
    Parameters parameters = new Parameters(new File(told.get("parameters")));
    Topology topology = new Topology();
    topology.addSource("frames", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), told.get("source"));
    topology.addProcessor("watch", () -> new Watch(parameters), "frames");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.String(), Serdes.ByteArray())
            .withCachingEnabled()
            .withLoggingEnabled(Map.of()),
        "watch");
    topology.addSink("alerts", told.get("alerts"), Serdes.String().serializer(), Serdes.ByteArray().serializer(), "watch");

    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, told.get("group"));
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, told.get("bootstrap"));
    settings.put(StreamsConfig.STATE_DIR_CONFIG, told.get("directory"));
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, COMMIT_MS);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, "1");
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, String.valueOf(256L << 20));
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), "2");
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), "5");
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.ACKS_CONFIG), "all");

    KafkaStreams streams = new KafkaStreams(topology, settings);
    CountDownLatch ended = new CountDownLatch(1);
    streams.setStateListener(
        (now, before) -> {
          if (now == KafkaStreams.State.ERROR || now == KafkaStreams.State.NOT_RUNNING) {
            ended.countDown();
          }
        });
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
    ended.await();
  }
}
