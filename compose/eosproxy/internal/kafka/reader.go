package kafka

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrShort says that the prefix ended before what was looked for: more bytes of the frame are needed.
var ErrShort = errors.New("the prefix of the frame is too short")

// ErrMalformed says that the bytes cannot be what the protocol prescribes at this place.
var ErrMalformed = errors.New("malformed")

// reader walks over the prefix of a frame. Its first error sticks, and every later read gives a zero value, so that
// callers read a whole structure and look at err once (in loops: every time round).
type reader struct {
	buf []byte
	off int
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// take gives the next n bytes without copying them, or nil after an error.
func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 {
		r.fail(fmt.Errorf("%w: length %d", ErrMalformed, n))
		return nil
	}
	if n > len(r.buf)-r.off {
		r.fail(ErrShort)
		return nil
	}
	part := r.buf[r.off : r.off+n]
	r.off += n
	return part
}

func (r *reader) int8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (r *reader) bool() bool { return r.int8() != 0 }

func (r *reader) int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) skip(n int) { r.take(n) }

// uvarint reads an unsigned varint of at most 32 bits, as Kafka writes lengths and tags.
func (r *reader) uvarint() uint32 {
	var value uint32
	for shift := 0; ; shift += 7 {
		b := r.take(1)
		if b == nil {
			return 0
		}
		if shift == 28 && b[0] > 0x0f {
			r.fail(fmt.Errorf("%w: varint of more than 32 bits", ErrMalformed))
			return 0
		}
		value |= uint32(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return value
		}
	}
}

// nullableString reads a string; null gives "".
func (r *reader) nullableString(compact bool) string { return string(r.nullableBytes(compact)) }

// nullableBytes reads a string without copying it.
func (r *reader) nullableBytes(compact bool) []byte {
	n := r.stringLength(compact)
	if r.err != nil || n == -1 {
		return nil
	}
	return r.take(n)
}

// string reads a string that must not be null.
func (r *reader) string(compact bool) string {
	return string(r.take(r.stringLength(compact)))
}

// stringLength reads the length of a string; -1 is null. Compact lengths are stored plus one.
func (r *reader) stringLength(compact bool) int {
	if compact {
		return int(r.uvarint()) - 1
	}
	return int(r.int16())
}

// bytesLength reads the length of bytes or records; -1 is null.
func (r *reader) bytesLength(compact bool) int {
	if compact {
		return int(r.uvarint()) - 1
	}
	return int(r.int32())
}

// arrayLength reads the number of an array's elements; null counts as none.
func (r *reader) arrayLength(compact bool) int {
	return max(r.nullableArrayLength(compact), 0)
}

// nullableArrayLength reads the number of an array's elements; -1 is null.
func (r *reader) nullableArrayLength(compact bool) int {
	n := r.bytesLength(compact)
	if r.err != nil {
		return 0
	}
	if n < -1 {
		r.fail(fmt.Errorf("%w: array of %d elements", ErrMalformed, n))
		return 0
	}
	return n
}

// uuid reads a topic id and gives it as Kafka's tools print it: URL-safe base64 without padding.
func (r *reader) uuid() string {
	return base64.RawURLEncoding.EncodeToString(r.take(16))
}

// tags skips the tagged fields that end a structure of a flexible version.
func (r *reader) tags(flexible bool) {
	if !flexible {
		return
	}
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		r.uvarint() // the tag
		r.skip(int(r.uvarint()))
	}
}
