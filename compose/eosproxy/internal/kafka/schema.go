package kafka

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// schemasText is printed by testdata/schemas.jsh from kafka-clients 4.4.0, which explains it.
//
//go:embed schemas-4.4.0.txt
var schemasText string

// A field of a request or a reply.
type field struct {
	name     string
	kind     string // the type; "array" and "struct" for those that have elements
	role     role
	nullable bool
	elements []field // of a structure, or of the structures in an array
	plain    string  // the type of an array's elements when they are no structures
	// What the field is when nothing is put in it: null, or a number.
	null   bool
	number int64
}

// A schema is what requests or replies of some versions of an API consist of, without their tagged fields.
type schema struct {
	since, until int16
	fields       []field
}

// message names a request or a reply of an API.
type message struct{ api, kind string }

const (
	requestKind = "request"
	replyKind   = "reply"
)

// schemas are read when the first one is needed: most connections need none.
var schemas = sync.OnceValue(func() map[message][]schema {
	all := map[message][]schema{}
	for _, line := range strings.Split(strings.TrimSpace(schemasText), "\n") {
		columns := strings.SplitN(line, " ", 4)
		since, until, _ := strings.Cut(columns[2], "-")
		s := schema{since: int16(number(since)), until: int16(number(until))}
		if len(columns) > 3 {
			p := schemaParser{text: columns[3]}
			s.fields = p.fields()
		}
		key := message{columns[0], columns[1]}
		all[key] = append(all[key], s)
	}
	return all
})

// fieldsOf gives the fields of a message; false when its version is not known.
func fieldsOf(api, kind string, version int16) ([]field, bool) {
	for _, s := range schemas()[message{api, kind}] {
		if s.since <= version && version <= s.until {
			return s.fields, true
		}
	}
	return nil, false
}

// A schemaParser reads the fields of one line. The text is part of the program, so an error in it is a bug.
type schemaParser struct{ text string }

func (p *schemaParser) fields() (fields []field) {
	for p.text != "" && p.text[0] != ']' && p.text[0] != '}' {
		fields = append(fields, p.field())
		p.text = strings.TrimPrefix(p.text, " ")
	}
	return fields
}

func (p *schemaParser) field() field {
	end := strings.IndexAny(p.text, ":[{")
	f := field{name: p.text[:end], role: roles[p.text[:end]]}
	opening := p.text[end]
	p.text = p.text[end+1:]
	switch opening {
	case ':':
		f.kind = p.word()
	case '[':
		f.kind = "array"
		if end := strings.IndexAny(p.text, ":[{]"); p.text[end] == ']' {
			f.plain = p.word()
		} else {
			f.elements = p.fields()
		}
		p.text = p.text[1:]
	default:
		f.kind, f.elements = "struct", p.fields()
		p.text = p.text[1:]
	}
	if p.text, f.nullable = strings.CutPrefix(p.text, "?"); strings.HasPrefix(p.text, "=") {
		p.text = p.text[1:]
		if value := p.word(); value == "null" {
			f.null = true
		} else {
			f.number = number(value)
		}
	}
	return f
}

// word reads up to what ends a type or a value.
func (p *schemaParser) word() string {
	end := strings.IndexAny(p.text, " ]}?=")
	if end < 0 {
		end = len(p.text)
	}
	word := p.text[:end]
	p.text = p.text[end:]
	return word
}

func number(text string) int64 {
	if text == "true" {
		return 1
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("schemas-4.4.0.txt: %v", err))
	}
	return n
}
