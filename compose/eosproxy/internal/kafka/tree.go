package kafka

import (
	"encoding/binary"
	"fmt"
)

// A tree is what a structure holds, by the names of its fields: numbers as int64, a string as string, bytes, records,
// ids and floating-point numbers as []byte, structures as tree, arrays as []any; null as nil.
type tree map[string]any

// widths of the types that have one.
var widths = map[string]int{
	"boolean": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8, "uuid": 16,
}

// readTree reads a structure.
func readTree(r *reader, fields []field, flexible bool) tree {
	t := tree{}
	for i := range fields {
		if r.err != nil {
			return nil
		}
		f := &fields[i]
		t[f.name] = readValue(r, f, flexible)
	}
	r.tags(flexible)
	return t
}

func readValue(r *reader, f *field, flexible bool) any {
	switch f.kind {
	case "array":
		return readArray(r, f, flexible)
	case "struct":
		if f.nullable && r.int8() < 0 {
			return nil
		}
		return readTree(r, f.elements, flexible)
	default:
		return readPlain(r, f.kind, flexible)
	}
}

func readArray(r *reader, f *field, flexible bool) any {
	n := r.nullableArrayLength(flexible)
	if n < 0 {
		return nil
	}
	elements := []any{}
	for ; n > 0 && r.err == nil; n-- {
		if f.plain != "" {
			elements = append(elements, readPlain(r, f.plain, flexible))
		} else {
			elements = append(elements, readTree(r, f.elements, flexible))
		}
	}
	return elements
}

func readPlain(r *reader, kind string, flexible bool) any {
	switch kind {
	case "boolean", "int8":
		return int64(r.int8())
	case "int16":
		return int64(r.int16())
	case "uint16":
		return int64(uint16(r.int16()))
	case "int32":
		return int64(r.int32())
	case "uint32":
		return int64(uint32(r.int32()))
	case "int64":
		if b := r.take(8); b != nil {
			return int64(binary.BigEndian.Uint64(b))
		}
		return int64(0)
	case "string":
		if n := r.stringLength(flexible); n != -1 {
			return string(r.take(n))
		}
		return nil
	case "bytes", "records":
		if n := r.bytesLength(flexible); n != -1 {
			return r.take(n)
		}
		return nil
	default:
		return r.take(widths[kind])
	}
}

// A treeWriter appends structures to a frame.
type treeWriter struct {
	buf      []byte
	flexible bool
}

// write writes a structure; a field that the tree lacks is written as it is when nothing is put in it.
func (w *treeWriter) write(fields []field, t tree) {
	for i := range fields {
		f := &fields[i]
		value, given := t[f.name]
		if !given {
			value = f.unset()
		}
		w.value(f, value)
	}
	if w.flexible {
		w.buf = append(w.buf, 0) // no tagged fields
	}
}

// unset is the value of a field in which nothing is put.
func (f *field) unset() any {
	switch f.kind {
	case "array":
		if f.null {
			return nil
		}
		return []any{}
	case "struct":
		if f.null {
			return nil
		}
		return tree{}
	case "string":
		if f.null {
			return nil
		}
		return ""
	case "records": // clients expect none, not null
		return []byte{}
	case "bytes":
		if f.null && f.nullable {
			return nil
		}
		return []byte{}
	case "uuid", "float64":
		return make([]byte, widths[f.kind])
	default:
		return f.number
	}
}

func (w *treeWriter) value(f *field, value any) {
	switch f.kind {
	case "array":
		elements, _ := value.([]any)
		w.length(len(elements), value == nil, 4)
		for _, element := range elements {
			if f.plain != "" {
				w.plain(f.plain, element)
			} else {
				w.write(f.elements, element.(tree))
			}
		}
	case "struct":
		if f.nullable {
			if value == nil {
				w.buf = append(w.buf, 0xff)
				return
			}
			w.buf = append(w.buf, 1)
		}
		w.write(f.elements, value.(tree))
	default:
		w.plain(f.kind, value)
	}
}

func (w *treeWriter) plain(kind string, value any) {
	switch v := value.(type) {
	case int64:
		w.buf = append(w.buf, binary.BigEndian.AppendUint64(nil, uint64(v))[8-widths[kind]:]...)
	case string:
		w.length(len(v), false, 2)
		w.buf = append(w.buf, v...)
	case []byte:
		if widths[kind] == 0 {
			w.length(len(v), false, 4)
		}
		w.buf = append(w.buf, v...)
	case nil:
		width := 4
		if kind == "string" {
			width = 2
		}
		w.length(0, true, width)
	default:
		panic(fmt.Sprintf("a tree holds a %T", v))
	}
}

// length writes that of a string (2 bytes where it is not compact), of bytes or of an array (4 bytes).
func (w *treeWriter) length(n int, null bool, width int) {
	if null {
		n = -1
	}
	switch {
	case w.flexible:
		w.buf = binary.AppendUvarint(w.buf, uint64(n+1))
	case width == 2:
		w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(n))
	default:
		w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(n))
	}
}
