package kafka

import (
	"encoding/binary"
	"fmt"
)

const (
	// SizeLength is the length of the field that precedes every frame and holds the frame's size without itself.
	SizeLength = 4
	// MaxSize is the largest size that passes for a frame. Brokers and clients stop at 100 MB unless told otherwise;
	// the first bytes of TLS (0x16 0x03 …) and of HTTP would be sizes beyond it.
	MaxSize = 256 << 20
)

// FrameSize reads the size field. The error says what the bytes look like when they cannot begin a frame.
func FrameSize(b []byte) (int, error) {
	size := int32(binary.BigEndian.Uint32(b))
	if size >= 0 && size <= MaxSize {
		return int(size), nil
	}
	if b[0] == 0x16 && b[1] == 0x03 {
		return 0, fmt.Errorf("%w: TLS handshake: a hop of protocol \"kafka\" cannot look into TLS", ErrMalformed)
	}
	return 0, fmt.Errorf("%w: %q cannot begin a Kafka frame: its size would be %d", ErrMalformed, b[:SizeLength], size)
}

// A RequestHeader is what precedes the body of a request.
type RequestHeader struct {
	API           API
	Version       int16
	CorrelationID int32
	ClientID      string
	// Body is where the body begins, counted from the first byte of the header.
	Body int
}

// ParseRequestHeader reads the header of a request from the first bytes behind the size field. With an unknown API
// key the error is not ErrShort, and key (as API.Key), version and correlation id are valid.
func ParseRequestHeader(frame []byte) (RequestHeader, error) { return parseRequestHeader(frame, "") }

// parseRequestHeader takes the client id that is to be expected, which is the same in all requests of a connection, so
// that it need not be copied out of each.
func parseRequestHeader(frame []byte, clientID string) (RequestHeader, error) {
	r := reader{buf: frame}
	key := r.int16()
	h := RequestHeader{API: API{Key: key}, Version: r.int16(), CorrelationID: r.int32()}
	if r.err != nil {
		return h, r.err
	}
	api, known := Lookup(key)
	if !known {
		return h, fmt.Errorf("%w: unknown API key %d", ErrMalformed, key)
	}
	h.API = api
	if h.Version < 0 {
		return h, fmt.Errorf("%w: %s of version %d", ErrMalformed, api.Name, h.Version)
	}
	version := api.RequestHeaderVersion(h.Version)
	if version >= 1 {
		// Never compact, so that ApiVersions can be read in any version.
		if b := r.nullableBytes(false); string(b) == clientID {
			h.ClientID = clientID
		} else {
			h.ClientID = string(b)
		}
	}
	r.tags(version >= 2)
	h.Body = r.off
	return h, r.err
}

// ParseReplyHeader reads the correlation id, which is at the same place in every version of a reply's header. Where
// the body begins only the request can tell: see API.ReplyHeaderVersion.
func ParseReplyHeader(frame []byte) (correlationID int32, err error) {
	r := reader{buf: frame}
	return r.int32(), r.err
}
