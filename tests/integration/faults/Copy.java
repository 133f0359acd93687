// Copies RECORDS records of one partition in one transaction with their offsets, and commits an offset without one
// before: with Kafka's own client. Arguments: bootstrap servers, source topic, target topic, group protocol, records.

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Copy {
    public static void main(String[] args) throws Exception {
        String bootstrap = args[0], source = args[1], target = args[2];
        int wanted = Integer.parseInt(args[4]);
        Map<String, Object> consuming = Map.of("bootstrap.servers", bootstrap, "group.id", "copy-" + target,
            "group.protocol", args[3], "auto.offset.reset", "earliest", "enable.auto.commit", false);
        Map<String, Object> producing = Map.of("bootstrap.servers", bootstrap, "transactional.id", "copy-" + target);
        try (var consumer = new KafkaConsumer<>(consuming, new StringDeserializer(), new StringDeserializer());
             var producer = new KafkaProducer<>(producing, new StringSerializer(), new StringSerializer())) {
            consumer.subscribe(List.of(source));
            List<String> values = new ArrayList<>();
            for (long end = System.nanoTime() + 30_000_000_000L; values.size() < wanted && System.nanoTime() < end; )
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200)))
                    values.add(record.value());
            var partition = new TopicPartition(source, 0);
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(1)));
            producer.initTransactions();
            producer.beginTransaction();
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String value : values)
                sent.add(producer.send(new ProducerRecord<>(target, value)));
            for (Future<RecordMetadata> one : sent)
                one.get();
            producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(wanted)), consumer.groupMetadata());
            producer.commitTransaction();
        }
    }
}
