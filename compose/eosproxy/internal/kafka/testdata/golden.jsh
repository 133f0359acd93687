// Prints a stream of frames as Kafka's own classes write them, one a line: a request of every API in every version
// that has a body, and replies to Metadata. Columns: request or reply, API, version, where the body begins behind the
// size field, what was put in (JSON, without blanks), the frame in hex. Run:
//   jshell --class-path 'kafka-clients-4.4.0.jar:slf4j-api.jar' golden.jsh > golden-4.4.0.txt
import java.nio.ByteBuffer;
import java.util.function.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.requests.RequestUtils;

Uuid id = new Uuid(0x0123456789abcdefL, 0x1122334455667788L);
MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap("not looked into".getBytes()));
String topics(boolean byId) {
    return byId ? "\"topics\":[{\"topic\":\"\",\"topic_id\":\"" + id + "\",\"partitions\":[0,2]}]"
                : "\"topics\":[{\"topic\":\"orders\",\"partitions\":[0,2]},{\"topic\":\"invoices\",\"partitions\":[1]}]";
}
record Filled(ApiMessage body, String what) {}
Filled produce(short v) {
    var d = new ProduceRequestData().setAcks((short) (v % 2 == 0 ? -1 : 0)).setTimeoutMs(1500);
    if (v >= 3) d.setTransactionalId("tx-1");
    BiFunction<String, int[], ProduceRequestData.TopicProduceData> topic = (name, partitions) -> {
        var t = new ProduceRequestData.TopicProduceData();
        if (v >= 13) t.setTopicId(id); else t.setName(name);
        for (int p : partitions)
            t.partitionData().add(new ProduceRequestData.PartitionProduceData().setIndex(p).setRecords(records));
        return t;
    };
    d.topicData().add(topic.apply("orders", new int[] {0, 2}));
    if (v < 13) d.topicData().add(topic.apply("invoices", new int[] {1}));
    return new Filled(d, "{\"acks\":" + d.acks() + (v >= 3 ? ",\"transactional_ids\":[\"tx-1\"]" : "") + "," + topics(v >= 13) + "}");
}
Filled offsetCommit(short v) {
    var d = new OffsetCommitRequestData().setGroupId("group-1");
    if (v >= 1) d.setMemberId("member").setGenerationIdOrMemberEpoch(3);
    if (v >= 7) d.setGroupInstanceId("instance");
    BiFunction<String, int[], OffsetCommitRequestData.OffsetCommitRequestTopic> topic = (name, partitions) -> {
        var t = new OffsetCommitRequestData.OffsetCommitRequestTopic();
        if (v >= 10) t.setTopicId(id); else t.setName(name);
        for (int p : partitions)
            t.partitions().add(new OffsetCommitRequestData.OffsetCommitRequestPartition().setPartitionIndex(p)
                .setCommittedOffset(17).setCommittedMetadata(p == 2 ? null : "note"));
        return t;
    };
    d.topics().add(topic.apply("orders", new int[] {0, 2}));
    if (v < 10) d.topics().add(topic.apply("invoices", new int[] {1}));
    return new Filled(d, "{\"group\":\"group-1\"," + topics(v >= 10) + "}");
}
Filled txnOffsetCommit(short v) {
    var d = new TxnOffsetCommitRequestData().setTransactionalId("tx-1").setGroupId("group-1").setProducerId(1001).setProducerEpoch((short) 4);
    if (v >= 3) d.setMemberId("member").setGenerationIdOrMemberEpoch(3).setGroupInstanceId(null);
    BiFunction<String, int[], TxnOffsetCommitRequestData.TxnOffsetCommitRequestTopic> topic = (name, partitions) -> {
        var t = new TxnOffsetCommitRequestData.TxnOffsetCommitRequestTopic();
        if (v >= 6) t.setTopicId(id); else t.setName(name);
        for (int p : partitions)
            t.partitions().add(new TxnOffsetCommitRequestData.TxnOffsetCommitRequestPartition().setPartitionIndex(p)
                .setCommittedOffset(17).setCommittedMetadata(p == 2 ? null : "note"));
        return t;
    };
    d.topics().add(topic.apply("orders", new int[] {0, 2}));
    if (v < 6) d.topics().add(topic.apply("invoices", new int[] {1}));
    return new Filled(d, "{\"transactional_ids\":[\"tx-1\"],\"group\":\"group-1\"," + topics(v >= 6) + "}");
}
Filled addPartitions(short v) {
    var d = new AddPartitionsToTxnRequestData();
    Supplier<AddPartitionsToTxnRequestData.AddPartitionsToTxnTopicCollection> two = () -> {
        var c = new AddPartitionsToTxnRequestData.AddPartitionsToTxnTopicCollection();
        c.add(new AddPartitionsToTxnRequestData.AddPartitionsToTxnTopic().setName("orders").setPartitions(List.of(0, 2)));
        c.add(new AddPartitionsToTxnRequestData.AddPartitionsToTxnTopic().setName("invoices").setPartitions(List.of(1)));
        return c;
    };
    if (v < 4) {
        d.setV3AndBelowTransactionalId("tx-1").setV3AndBelowProducerId(1001).setV3AndBelowProducerEpoch((short) 4).setV3AndBelowTopics(two.get());
        return new Filled(d, "{\"transactional_ids\":[\"tx-1\"]," + topics(false) + "}");
    }
    d.transactions().add(new AddPartitionsToTxnRequestData.AddPartitionsToTxnTransaction().setTransactionalId("tx-1").setTopics(two.get()));
    d.transactions().add(new AddPartitionsToTxnRequestData.AddPartitionsToTxnTransaction().setTransactionalId("tx-2").setVerifyOnly(true));
    return new Filled(d, "{\"transactional_ids\":[\"tx-1\",\"tx-2\"]," + topics(false) + "}");
}
Filled fill(ApiKeys k, short v) {
    return switch (k) {
        case PRODUCE -> produce(v);
        case OFFSET_COMMIT -> offsetCommit(v);
        case TXN_OFFSET_COMMIT -> txnOffsetCommit(v);
        case ADD_PARTITIONS_TO_TXN -> addPartitions(v);
        case INIT_PRODUCER_ID -> new Filled(new InitProducerIdRequestData().setTransactionalId("tx-1").setTransactionTimeoutMs(1500), "{\"transactional_ids\":[\"tx-1\"]}");
        case ADD_OFFSETS_TO_TXN -> new Filled(new AddOffsetsToTxnRequestData().setTransactionalId("tx-1").setGroupId("group-1"), "{\"transactional_ids\":[\"tx-1\"],\"group\":\"group-1\"}");
        case END_TXN -> new Filled(new EndTxnRequestData().setTransactionalId("tx-1").setProducerId(1001).setCommitted(v % 2 == 0), "{\"transactional_ids\":[\"tx-1\"],\"committed\":" + (v % 2 == 0) + "}");
        default -> new Filled(k.messageType.newRequest(), "{}");
    };
}
void print(String kind, ApiKeys k, short v, ApiMessage header, short headerVersion, ApiMessage body, String what) {
    var size = new ObjectSerializationCache();
    int bodyAt = header.size(size, headerVersion);
    var frame = RequestUtils.serialize(header, headerVersion, body, v);
    var hex = new StringBuilder(String.format("%08x", frame.remaining()));
    while (frame.hasRemaining()) hex.append(String.format("%02x", frame.get()));
    System.out.println(kind + " " + k.name + " " + v + " " + bodyAt + " " + what + " " + hex);
}
void request(ApiKeys k, short v, int correlation) {
    short hv = k.messageType.requestHeaderVersion(v);
    var header = new RequestHeaderData().setRequestApiKey(k.id).setRequestApiVersion(v).setCorrelationId(correlation).setClientId("client");
    var filled = fill(k, v);
    if (hv >= 2) { // a reader must skip tagged fields that it does not know
        header.unknownTaggedFields().add(new RawTaggedField(300, new byte[] {1, 2, 3}));
        filled.body().unknownTaggedFields().add(new RawTaggedField(301, new byte[130]));
    }
    print("request", k, v, header, hv, filled.body(), filled.what());
}
int correlation = 0;
void requests() {
    for (ApiKeys k : ApiKeys.values()) {
        if (k.id >= 4 && k.id <= 7) continue; // Kafka 4 has dropped their bodies
        for (short v = k.messageType.lowestSupportedVersion(); v <= k.messageType.highestSupportedVersion(true); v++)
            request(k, v, ++correlation);
    }
}
void replies() {
    for (short v = 9; v <= 13; v++) {
        var d = new MetadataResponseData().setClusterId("cluster").setControllerId(1);
        d.brokers().add(new MetadataResponseData.MetadataResponseBroker().setNodeId(1).setHost("127.16.1.1").setPort(29092).setRack("r"));
        d.brokers().add(new MetadataResponseData.MetadataResponseBroker().setNodeId(2).setHost("127.16.1.2").setPort(29092));
        for (String name : List.of("orders", "invoices")) {
            var t = new MetadataResponseData.MetadataResponseTopic().setName(name);
            if (v >= 10) t.setTopicId(name.equals("orders") ? id : new Uuid(7, 8));
            for (int p = 0; p < 2; p++)
                t.partitions().add(new MetadataResponseData.MetadataResponsePartition().setPartitionIndex(p).setLeaderId(1)
                    .setReplicaNodes(List.of(1, 2)).setIsrNodes(List.of(1)).setOfflineReplicas(List.of(2)));
            t.unknownTaggedFields().add(new RawTaggedField(302, new byte[] {9}));
            d.topics().add(t);
        }
        if (v >= 12) d.topics().add(new MetadataResponseData.MetadataResponseTopic().setName(null).setTopicId(new Uuid(9, 9)).setErrorCode((short) 100));
        var what = v < 10 ? "{}" : "{\"names\":{\"" + id + "\":\"orders\",\"" + new Uuid(7, 8) + "\":\"invoices\"}}";
        print("reply", ApiKeys.METADATA, v, new ResponseHeaderData().setCorrelationId(4711), (short) 1, d, what);
    }
}
requests();
replies();
/exit
