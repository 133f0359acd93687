package http1

import (
	"fmt"

	"eosproxy/internal/wire"
)

// untilEnd covers a body that only the end of the connection ends.
type untilEnd struct{}

func (untilEnd) Next(b []byte) (int, bool, error) { return len(b), false, nil }

// fixed covers a body of so many bytes.
type fixed struct{ left int64 }

func (e *fixed) Next(b []byte) (int, bool, error) {
	n := min(int64(len(b)), e.left)
	e.left -= n
	return int(n), e.left == 0, nil
}

// chunks covers a body in chunks, and the trailer behind them.
type chunks struct {
	state chunkState
	size  int64 // of the present chunk; what is left of it, within its data
	digit bool  // its size has a digit
	line  int   // how long the present line is
}

type chunkState byte

const (
	inSize      chunkState = iota // the digits of a size
	inExtension                   // the rest of that line
	inData
	behindData // the end of the line behind the data
	inTrailer
)

const (
	// maxChunk is far beyond what is sent as one chunk.
	maxChunk = 1 << 40
	// maxLine bounds a line between chunks and in the trailer.
	maxLine = 64 << 10
)

func (e *chunks) Next(b []byte) (n int, done bool, err error) {
	for n < len(b) {
		if e.state == inData {
			part := min(int64(len(b)-n), e.size)
			n += int(part)
			if e.size -= part; e.size == 0 {
				e.state = behindData
			}
			continue
		}
		done, err = e.next(b[n])
		if n++; done || err != nil {
			return n, done, err
		}
	}
	return n, false, nil
}

// next reads a byte that is no data.
func (e *chunks) next(c byte) (done bool, err error) {
	if e.line++; e.line > maxLine {
		return false, torn("a line is longer than %d bytes", maxLine)
	}
	if c != '\n' {
		return false, e.within(c)
	}
	empty := e.line == 1
	e.line = 0
	switch e.state {
	case inSize, inExtension:
		if !e.digit {
			return false, torn("a chunk without size")
		}
		e.digit = false
		if e.state = inData; e.size == 0 {
			e.state = inTrailer
		}
	case behindData:
		e.state = inSize
	case inTrailer:
		return empty, nil
	}
	return false, nil
}

// within reads a byte within a line.
func (e *chunks) within(c byte) error {
	switch e.state {
	case inSize:
		switch digit := hexDigit(c); {
		case digit >= 0 && e.size < maxChunk:
			e.size, e.digit = e.size<<4|int64(digit), true
		case digit >= 0:
			return torn("a chunk of more than %d bytes", int64(maxChunk))
		case c == ';' || c == '\r' || c == ' ' || c == '\t':
			e.state = inExtension
		default:
			return torn("%q in the size of a chunk", c)
		}
	case behindData:
		if c != '\r' || e.line > 1 {
			return torn("%q behind a chunk", c)
		}
	case inTrailer:
		if c == '\r' && e.line == 1 {
			e.line = 0 // so that the line counts as empty
		}
	}
	return nil
}

func torn(format string, args ...any) error {
	return &wire.Unreadable{Reason: "a body in chunks: " + fmt.Sprintf(format, args...)}
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
