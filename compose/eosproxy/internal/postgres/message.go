package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"eosproxy/internal/wire"
)

const (
	headLength = 5 // a type and a length, which counts itself but not the type
	// maxLength is the largest length that passes for a message: PostgreSQL allocates no more.
	maxLength = 1<<30 - 1
	// maxStartup is the largest start-up packet that PostgreSQL takes.
	maxStartup = 10_000
)

// The codes that a start-up packet may have in place of a protocol version.
const (
	cancelRequest = 80877102
	sslRequest    = 80877103
	gssRequest    = 80877104
)

// The types of messages that frontends and backends send.
const (
	frontendTypes = "QPBEDCSHFdcfpX"
	backendTypes  = "RKSZTDCIEN123tnsAGHWdcVv"
)

// message finds the length of the message that comes next, and its type.
func message(in wire.Stream, types string) (kind byte, total int, err error) {
	b, err := in.Peek(headLength)
	if err != nil {
		return 0, 0, err
	}
	length := int(binary.BigEndian.Uint32(b[1:]))
	if length < 4 || length > maxLength || strings.IndexByte(types, b[0]) < 0 {
		return 0, 0, &wire.Unreadable{Reason: fmt.Sprintf("%q cannot begin a message of PostgreSQL's protocol", b)}
	}
	if b[0] == 'Z' && length != 5 {
		return 0, 0, &wire.Unreadable{Reason: fmt.Sprintf("a ReadyForQuery of length %d", length)}
	}
	return b[0], 1 + length, nil
}

// startup finds the length of the start-up packet that comes next, and its code.
func startup(in wire.Stream) (code, total int, err error) {
	b, err := in.Peek(8)
	if err != nil {
		return 0, 0, err
	}
	if b[0] == 0x16 && b[1] == 0x03 {
		return 0, 0, errTLS()
	}
	total, code = int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint32(b[4:]))
	known := code == cancelRequest || code == sslRequest || code == gssRequest || code>>16 == 3
	if total < 8 || total > maxStartup || !known {
		return 0, 0, &wire.Unreadable{Reason: fmt.Sprintf("%q cannot begin a connection of PostgreSQL's protocol 3", b)}
	}
	return code, total, nil
}

func errTLS() error {
	return &wire.Unreadable{Reason: "TLS or GSSAPI encryption begins: a hop of protocol \"postgres\" cannot look into it"}
}

// text cuts a text off that a zero byte ends; ok is false when there is none, and text then all that there is.
func text(b []byte) (text string, rest []byte, ok bool) {
	head, rest, ok := bytes.Cut(b, []byte{0})
	return string(head), rest, ok
}

// encode makes a message.
func encode(kind byte, content ...string) []byte {
	body := strings.Join(content, "")
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body)))
	return append(b, body...)
}

// query makes a simple query.
func query(sql string) []byte { return encode('Q', sql, "\x00") }

// CheckCode refuses what is no SQLSTATE.
func CheckCode(_, code string) error {
	valid := len(code) == 5 && strings.Trim(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
	if !valid || strings.HasPrefix(code, "00") {
		return fmt.Errorf("%q is no SQLSTATE of an error: five digits or capital letters, not those of a success", code)
	}
	return nil
}

// errorResponse makes the message that tells a frontend of an error.
func errorResponse(code string) []byte {
	return encode('E', "SERROR\x00", "VERROR\x00", "C", code, "\x00", "Merror made by eosproxy\x00", "\x00")
}

// sqlState finds the code in the body of an ErrorResponse, or in the beginning of it; "" if it is not there.
func sqlState(body []byte) string {
	for len(body) > 0 && body[0] != 0 {
		value, rest, ok := text(body[1:])
		if !ok {
			break
		}
		if body[0] == 'C' {
			return value
		}
		body = rest
	}
	return ""
}

// CheckAPI refuses what is no SQL command, or is not what it is called here.
func CheckAPI(name string) error {
	if known[name] {
		return nil
	}
	if called := Commands(name); len(called) == 1 && known[called[0]] {
		return fmt.Errorf("%q is called %q here", name, called[0])
	}
	return fmt.Errorf("PostgreSQL has no command %q", name)
}

// CarriedBy lists which fields rules can match: none.
func CarriedBy(string) []string { return nil }

var known = func() map[string]bool {
	all := map[string]bool{"COMMIT PREPARED": true, "PREPARE TRANSACTION": true, "ROLLBACK PREPARED": true, "ROLLBACK TO": true}
	for _, command := range strings.Fields(`
		ALTER ANALYZE BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMENT COMMIT COPY CREATE DEALLOCATE DECLARE DELETE DISCARD
		DO DROP EXECUTE EXPLAIN FETCH GRANT IMPORT INSERT LISTEN LOAD LOCK MERGE MOVE NOTIFY PREPARE REASSIGN REFRESH
		REINDEX RELEASE RESET REVOKE ROLLBACK SAVEPOINT SECURITY SELECT SET SHOW TABLE TRUNCATE UNLISTEN UPDATE VACUUM
		VALUES`) {
		all[command] = true
	}
	return all
}()
