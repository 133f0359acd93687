// Prints what requests and replies of every API consist of, as Kafka's own classes declare it: API, request or reply,
// the versions that are alike, and the fields. name:type, with "?" when it may be null and "=value" when it is not
// zero, empty or false until it is set; name[…] is an array, name{…} a structure. Tagged fields, which end every
// structure of a flexible version, are left out: nothing has to be written there. Run:
//   jshell --class-path 'kafka-clients-4.4.0.jar:slf4j-api.jar' schemas.jsh > ../schemas-4.4.0.txt
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
// Kafka's default of a field is what a new object of its class has.
Object getDefault(Object owner, String field) {
    var name = new StringBuilder();
    for (var part : field.split("_"))
        name.append(name.isEmpty() ? part : part.substring(0, 1).toUpperCase() + part.substring(1));
    for (var method : owner.getClass().getMethods())
        if (method.getName().equalsIgnoreCase(name.toString()) && method.getParameterCount() == 0)
            try { return method.invoke(owner); } catch (Exception e) { throw new RuntimeException(e); }
    throw new RuntimeException(owner.getClass() + " has no " + name);
}
// The class of a structure is the one that declares its schema.
Object structure(Class<?> message, Schema schema) {
    for (var type : message.getDeclaredClasses())
        for (var field : type.getDeclaredFields())
            try {
                if (java.lang.reflect.Modifier.isStatic(field.getModifiers()) && same(field.get(null), schema))
                    return type.getDeclaredConstructor().newInstance();
            } catch (ReflectiveOperationException e) { throw new RuntimeException(e); }
    throw new RuntimeException(message + ": whose is " + schema);
}
boolean same(Object declared, Schema schema) {
    return declared == schema || declared instanceof Schema s && s.toString().equals(schema.toString())
        && s.fields().length == schema.fields().length && !(declared instanceof NullableSchema);
}
String text(Class<?> message, Object owner, Schema schema) {
    var fields = new ArrayList<String>();
    for (var bound : schema.fields()) {
        var type = bound.def.type;
        if (type instanceof TaggedFields) continue;
        String nullable = type.isNullable() ? "?" : "";
        Object value = getDefault(owner, bound.def.name);
        var element = type.arrayElementType();
        if (element.isPresent() && element.get() instanceof Schema s)
            fields.add(bound.def.name + "[" + text(message, structure(message, s), s) + "]" + nullable + (value == null ? "=null" : ""));
        else if (type instanceof Schema s)
            fields.add(bound.def.name + "{" + text(message, structure(message, s), s) + "}" + nullable + (value == null ? "=null" : ""));
        else if (element.isPresent())
            fields.add(bound.def.name + "[" + plain(element.get()) + "]" + nullable + (value == null ? "=null" : ""));
        else
            fields.add(bound.def.name + ":" + plain(type) + nullable + (isZero(value) ? "" : "=" + value));
    }
    return String.join(" ", fields);
}
String plain(Type type) { return type.toString().toLowerCase().replace("compact_", "").replace("nullable_", ""); }
boolean isZero(Object value) {
    if (value instanceof java.nio.ByteBuffer b) return b.remaining() == 0;
    return value instanceof Number n && n.doubleValue() == 0 || value instanceof String s && s.isEmpty()
        || value instanceof Boolean b && !b || value instanceof byte[] b && b.length == 0
        || value instanceof org.apache.kafka.common.Uuid id && id.equals(org.apache.kafka.common.Uuid.ZERO_UUID);
}
void print(String api, String kind, ApiMessage message, Schema[] schemas) {
    String before = null;
    int since = 0;
    for (int v = 0; v <= schemas.length; v++) {
        String now = v < schemas.length && schemas[v] != null ? text(message.getClass(), message, schemas[v]) : null;
        if (Objects.equals(now, before)) continue;
        if (before != null) System.out.println((api + " " + kind + " " + since + "-" + (v - 1) + " " + before).strip());
        before = now;
        since = v;
    }
}
for (ApiKeys k : ApiKeys.values()) {
    if (k.id >= 4 && k.id <= 7) continue; // Kafka 4 has dropped their bodies
    print(k.name, "request", k.messageType.newRequest(), k.messageType.requestSchemas());
    print(k.name, "reply", k.messageType.newResponse(), k.messageType.responseSchemas());
}
/exit
