package wiretest

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A Part is what came at once of one side of a recorded conversation.
type Part struct {
	FromClient bool
	Bytes      []byte
}

// Recordings gives the conversations of real clients with real servers, by their names; testdata/record.py and
// record_kafka.py make them.
func Recordings(t testing.TB, protocol string) map[string][]Part {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(here), "testdata", protocol+"-*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings of %s: %v", protocol, err)
	}
	recordings := map[string][]Part{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), protocol+"-"), ".txt")
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			part, err := base64.StdEncoding.DecodeString(line[2:])
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			recordings[name] = append(recordings[name], Part{line[0] == '>', part})
		}
	}
	return recordings
}

// Side is all that one side says in a conversation.
func Side(parts []Part, fromClient bool) (all []byte) {
	for _, part := range parts {
		if part.FromClient == fromClient {
			all = append(all, part.Bytes...)
		}
	}
	return all
}
