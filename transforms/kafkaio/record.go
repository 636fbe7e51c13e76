package kafkaio

// Record is a record as KafkaIO hands it out with metadata: Java's KafkaIO.ByteArrayKafkaRecord, a row of these names,
// types and order. What Java may leave null is a pointer. It is no type of its own name, as Beam makes its own of a
// schema that another language sends, and one without a name is the same.
type Record = struct {
	Topic             string    `beam:"topic"`
	Partition         int32     `beam:"partition"`
	Offset            int64     `beam:"offset"`
	Timestamp         int64     `beam:"timestamp"` // milliseconds since the epoch
	Key               *[]byte   `beam:"key"`
	Value             *[]byte   `beam:"value"`
	Headers           *[]Header `beam:"headers"`
	TimestampTypeId   int32     `beam:"timestampTypeId"` //nolint:revive // Beam names it so
	TimestampTypeName string    `beam:"timestampTypeName"`
}

// Header is a header of a Record.
type Header = struct {
	Key   string  `beam:"key"`
	Value *[]byte `beam:"value"`
}
