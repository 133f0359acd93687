// Prints one line per API of Kafka: key, name, highest version (unstable ones included) and, for every version
// from 0 on, the version of its request header and of its reply header. Run:
//   jshell --class-path 'kafka-clients-4.4.0.jar:slf4j-api.jar' headers.jsh > headers-4.4.0.txt
import org.apache.kafka.common.protocol.*;
for (ApiKeys k : ApiKeys.values()) {
    var type = k.messageType;
    var line = new StringBuilder(k.id + " " + k.name + " " + type.highestSupportedVersion(true));
    for (short v = 0; v <= type.highestSupportedVersion(true); v++)
        line.append(" ").append(type.requestHeaderVersion(v)).append("/").append(type.responseHeaderVersion(v));
    System.out.println(line);
}
/exit
