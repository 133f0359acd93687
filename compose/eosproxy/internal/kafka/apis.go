// Package kafka reads the parts of Kafka's wire protocol that a relay needs: where a frame ends, the headers of
// requests and replies in every version that Kafka 4.4 speaks, of a few request bodies the fields that step rules
// match on (transactional id, commit or abort, topics and partitions, group), and of Metadata replies which topic has
// which id.
//
// It never needs a whole frame: every function takes a prefix of it and says when that prefix was too short.
package kafka

// An API is one kind of request, such as Produce.
type API struct {
	Key  int16
	Name string
	// Highest is the newest version known here, unstable ones included.
	Highest int16
	// Flexible is the first version with tagged fields and compact strings; -1 when there is none.
	Flexible int16
}

// apis is made from testdata/headers-4.4.0.txt, which testdata/headers.jsh prints from kafka-clients 4.4.0; a test
// compares the two. Kafka 4 has dropped the bodies of keys 4 to 7: their rows are those of Kafka 3.9.
var apis = []API{
	{0, "Produce", 13, 9},
	{1, "Fetch", 18, 12},
	{2, "ListOffsets", 11, 6},
	{3, "Metadata", 13, 9},
	{4, "LeaderAndIsr", 7, 4},
	{5, "StopReplica", 4, 2},
	{6, "UpdateMetadata", 8, 6},
	{7, "ControlledShutdown", 3, 3},
	{8, "OffsetCommit", 10, 8},
	{9, "OffsetFetch", 10, 6},
	{10, "FindCoordinator", 6, 3},
	{11, "JoinGroup", 9, 6},
	{12, "Heartbeat", 4, 4},
	{13, "LeaveGroup", 5, 4},
	{14, "SyncGroup", 5, 4},
	{15, "DescribeGroups", 6, 5},
	{16, "ListGroups", 5, 3},
	{17, "SaslHandshake", 1, -1},
	{18, "ApiVersions", 5, 3},
	{19, "CreateTopics", 7, 5},
	{20, "DeleteTopics", 6, 4},
	{21, "DeleteRecords", 2, 2},
	{22, "InitProducerId", 6, 2},
	{23, "OffsetForLeaderEpoch", 4, 4},
	{24, "AddPartitionsToTxn", 5, 3},
	{25, "AddOffsetsToTxn", 4, 3},
	{26, "EndTxn", 5, 3},
	{27, "WriteTxnMarkers", 2, 0},
	{28, "TxnOffsetCommit", 6, 3},
	{29, "DescribeAcls", 3, 2},
	{30, "CreateAcls", 3, 2},
	{31, "DeleteAcls", 3, 2},
	{32, "DescribeConfigs", 4, 4},
	{33, "AlterConfigs", 2, 2},
	{34, "AlterReplicaLogDirs", 2, 2},
	{35, "DescribeLogDirs", 5, 2},
	{36, "SaslAuthenticate", 2, 2},
	{37, "CreatePartitions", 3, 2},
	{38, "CreateDelegationToken", 3, 2},
	{39, "RenewDelegationToken", 2, 2},
	{40, "ExpireDelegationToken", 2, 2},
	{41, "DescribeDelegationToken", 3, 2},
	{42, "DeleteGroups", 3, 2},
	{43, "ElectLeaders", 2, 2},
	{44, "IncrementalAlterConfigs", 1, 1},
	{45, "AlterPartitionReassignments", 1, 0},
	{46, "ListPartitionReassignments", 0, 0},
	{47, "OffsetDelete", 0, -1},
	{48, "DescribeClientQuotas", 1, 1},
	{49, "AlterClientQuotas", 1, 1},
	{50, "DescribeUserScramCredentials", 0, 0},
	{51, "AlterUserScramCredentials", 0, 0},
	{52, "Vote", 2, 0},
	{53, "BeginQuorumEpoch", 1, 1},
	{54, "EndQuorumEpoch", 1, 1},
	{55, "DescribeQuorum", 2, 0},
	{56, "AlterPartition", 3, 0},
	{57, "UpdateFeatures", 2, 0},
	{58, "Envelope", 0, 0},
	{59, "FetchSnapshot", 1, 0},
	{60, "DescribeCluster", 2, 0},
	{61, "DescribeProducers", 0, 0},
	{62, "BrokerRegistration", 4, 0},
	{63, "BrokerHeartbeat", 2, 0},
	{64, "UnregisterBroker", 0, 0},
	{65, "DescribeTransactions", 0, 0},
	{66, "ListTransactions", 2, 0},
	{67, "AllocateProducerIds", 0, 0},
	{68, "ConsumerGroupHeartbeat", 1, 0},
	{69, "ConsumerGroupDescribe", 1, 0},
	{70, "ControllerRegistration", 0, 0},
	{71, "GetTelemetrySubscriptions", 0, 0},
	{72, "PushTelemetry", 0, 0},
	{73, "AssignReplicasToDirs", 0, 0},
	{74, "ListConfigResources", 1, 0},
	{75, "DescribeTopicPartitions", 0, 0},
	{76, "ShareGroupHeartbeat", 1, 0},
	{77, "ShareGroupDescribe", 1, 0},
	{78, "ShareFetch", 2, 0},
	{79, "ShareAcknowledge", 2, 0},
	{80, "AddRaftVoter", 1, 0},
	{81, "RemoveRaftVoter", 0, 0},
	{82, "UpdateRaftVoter", 0, 0},
	{83, "InitializeShareGroupState", 0, 0},
	{84, "ReadShareGroupState", 0, 0},
	{85, "WriteShareGroupState", 1, 0},
	{86, "DeleteShareGroupState", 0, 0},
	{87, "ReadShareGroupStateSummary", 1, 0},
	{88, "StreamsGroupHeartbeat", 1, 0},
	{89, "StreamsGroupDescribe", 1, 0},
	{90, "DescribeShareGroupOffsets", 1, 0},
	{91, "AlterShareGroupOffsets", 0, 0},
	{92, "DeleteShareGroupOffsets", 0, 0},
	{93, "StreamsGroupTopologyDescriptionUpdate", 0, 0},
	{94, "UnregisterController", 0, 0},
}

// The API keys that the relay treats in a way of their own.
const (
	Produce            int16 = 0
	Fetch              int16 = 1
	Metadata           int16 = 3
	OffsetCommit       int16 = 8
	JoinGroup          int16 = 11
	SyncGroup          int16 = 14
	SaslHandshake      int16 = 17
	ApiVersions        int16 = 18
	InitProducerID     int16 = 22
	AddPartitionsToTxn int16 = 24
	AddOffsetsToTxn    int16 = 25
	EndTxn             int16 = 26
	TxnOffsetCommit    int16 = 28
	ShareFetch         int16 = 78

	controlledShutdown int16 = 7

	// Those whose replies repeat what the request lists.
	listOffsets             int16 = 2
	offsetFetch             int16 = 9
	findCoordinator         int16 = 10
	describeGroups          int16 = 15
	createTopics            int16 = 19
	deleteTopics            int16 = 20
	deleteRecords           int16 = 21
	offsetForLeaderEpoch    int16 = 23
	writeTxnMarkers         int16 = 27
	createAcls              int16 = 30
	deleteAcls              int16 = 31
	describeConfigs         int16 = 32
	alterConfigs            int16 = 33
	createPartitions        int16 = 37
	deleteGroups            int16 = 42
	electLeaders            int16 = 43
	incrementalAlterConfigs int16 = 44
	alterReassignments      int16 = 45
	describeProducers       int16 = 61
	describeTransactions    int16 = 65
	consumerGroupDescribe   int16 = 69
	shareGroupDescribe      int16 = 77
	streamsGroupDescribe    int16 = 89
)

var apisByName = func() map[string]API {
	byName := make(map[string]API, len(apis))
	for _, api := range apis {
		byName[api.Name] = api
	}
	return byName
}()

// Lookup finds an API by its key.
func Lookup(key int16) (API, bool) {
	if key < 0 || int(key) >= len(apis) { // the keys are dense: a row's index is its key
		return API{}, false
	}
	return apis[key], true
}

// LookupName finds an API by its name, spelled as Kafka spells it.
func LookupName(name string) (API, bool) {
	api, ok := apisByName[name]
	return api, ok
}

// IsFlexible says whether a version has tagged fields and compact strings.
func (a API) IsFlexible(version int16) bool {
	return a.Flexible >= 0 && version >= a.Flexible
}

// RequestHeaderVersion is the version of the header that precedes a request's body: 0 (no client id), 1 or 2
// (tagged fields).
func (a API) RequestHeaderVersion(version int16) int16 {
	switch {
	case a.IsFlexible(version):
		return 2
	case a.Key == controlledShutdown && version == 0:
		return 0
	default:
		return 1
	}
}

// ReplyHeaderVersion is the version of the header that precedes a reply's body: 0 or 1 (tagged fields). A reply to
// ApiVersions has no tagged fields in any version, so that a client can read it before it knows the broker.
func (a API) ReplyHeaderVersion(version int16) int16 {
	if a.IsFlexible(version) && a.Key != ApiVersions {
		return 1
	}
	return 0
}
