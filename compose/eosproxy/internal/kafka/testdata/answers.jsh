// Prints, for every API and version of Kafka, a request and the reply in which Kafka's own classes answer it with the
// error NOT_COORDINATOR (a Fetch: with NOT_LEADER_OR_FOLLOWER, as a broker tells it of a partition), one a line: API,
// version, request and reply in hex, both with header and without size field. Run:
//   jshell --class-path 'kafka-clients-4.4.0.jar:slf4j-api.jar' answers.jsh > answers-4.4.0.txt
import java.nio.ByteBuffer;
import org.apache.kafka.common.*;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.requests.*;
int counter = 0;
// Everything is different from everything else, so that a value in the wrong place is seen.
Object fill(Type type, int depth) {
    if (type instanceof NullableSchema) return null;
    if (type instanceof Schema schema) {
        var struct = new Struct(schema);
        for (var field : schema.fields())
            struct.set(field, field.def.type instanceof TaggedFields ? new TreeMap<Integer, Object>() : fill(field.def.type, depth));
        return struct;
    }
    var element = type.arrayElementType();
    if (element.isPresent()) {
        if (depth > 2) return new Object[] {fill(element.get(), depth + 1)};
        return new Object[] {fill(element.get(), depth + 1), fill(element.get(), depth + 1)};
    }
    String name = type.toString();
    counter++;
    if (name.contains("STRING")) return "name-" + counter;
    if (name.contains("RECORDS")) return MemoryRecords.readableRecords(ByteBuffer.wrap(("records-" + counter).getBytes()));
    if (name.contains("BYTES")) return ByteBuffer.wrap(("bytes-" + counter).getBytes());
    if (name.equals("BOOLEAN")) return false;
    if (name.equals("INT8")) return (byte) 1;
    if (name.equals("INT16")) return (short) counter;
    if (name.equals("UINT32") || name.equals("INT64")) return (long) counter;
    if (name.equals("FLOAT64")) return (double) counter;
    if (name.equals("UUID")) return new Uuid(7, counter);
    return counter;
}
ApiMessage answer(AbstractRequest request) {
    if (!(request instanceof FetchRequest fetch)) return request.getErrorResponse(0, Errors.NOT_COORDINATOR.exception()).data();
    var data = new FetchResponseData().setSessionId(fetch.metadata().sessionId());
    for (var topic : fetch.data().topics()) {
        var answered = new FetchResponseData.FetchableTopicResponse().setTopic(topic.topic()).setTopicId(topic.topicId());
        for (var partition : topic.partitions())
            answered.partitions().add(FetchResponse.partitionResponse(partition.partition(), Errors.NOT_LEADER_OR_FOLLOWER));
        data.responses().add(answered);
    }
    return data;
}
String hex(ByteBuffer buffer) { return HexFormat.of().formatHex(buffer.array(), buffer.arrayOffset() + buffer.position(), buffer.arrayOffset() + buffer.limit()); }
String exchange(ApiKeys k, short v) {
    counter = 0;
    var schema = k.messageType.requestSchemas()[v];
    var struct = (Struct) fill(schema, 0);
    var body = ByteBuffer.allocate(schema.sizeOf(struct));
    schema.write(body, struct);
    body.flip();
    var request = AbstractRequest.parseRequest(k, v, new ByteBufferAccessor(body.duplicate())).request;
    var header = new RequestHeaderData().setRequestApiKey(k.id).setRequestApiVersion(v).setCorrelationId(4711).setClientId("client");
    var head = MessageUtil.toByteBufferAccessor(header, k.messageType.requestHeaderVersion(v)).buffer();
    var reply = RequestUtils.serialize(new ResponseHeaderData().setCorrelationId(4711), k.messageType.responseHeaderVersion(v), answer(request), v);
    return hex(head) + hex(body) + " " + hex(reply);
}
for (ApiKeys k : ApiKeys.values()) {
    if (k.id >= 4 && k.id <= 7) continue; // Kafka 4 has dropped their bodies
    for (short v = k.messageType.lowestSupportedVersion(); v <= k.messageType.highestSupportedVersion(true); v++)
        System.out.println(k.name + " " + v + " " + exchange(k, v));
}
/exit
