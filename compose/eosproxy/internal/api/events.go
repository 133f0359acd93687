package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// events streams events as NDJSON: with follow=1 endlessly, else as soon as there is one, and none when wait_ms have
// passed.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	since, wait, follow, err := eventsQuery(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, lines := http.NewResponseController(w), json.NewEncoder(w)
	_ = out.Flush() // the reader learns that it is connected
	var expired <-chan time.Time
	if !follow {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		expired = timer.C
	}
	for {
		events, more := s.Engine.Log.Since(since)
		for i := range events {
			if lines.Encode(&events[i]) != nil {
				return
			}
			since = events[i].Seq
		}
		if len(events) > 0 {
			if out.Flush() != nil || !follow {
				return
			}
			continue
		}
		select {
		case <-more:
		case <-expired:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func eventsQuery(r *http.Request) (since uint64, wait time.Duration, follow bool, err error) {
	for key, values := range r.URL.Query() {
		value := values[len(values)-1]
		switch key {
		case "since":
			since, err = strconv.ParseUint(value, 10, 64)
		case "wait_ms":
			var ms uint64
			ms, err = strconv.ParseUint(value, 10, 32)
			wait = time.Duration(ms) * time.Millisecond
			if wait > waitLimit {
				err = fmt.Errorf("longer than %v", waitLimit)
			}
		case "follow":
			follow, err = strconv.ParseBool(value)
		default:
			err = fmt.Errorf("unknown parameter; there are since, wait_ms and follow")
		}
		if err != nil {
			return 0, 0, false, fmt.Errorf("%s=%s: %w", key, value, err)
		}
	}
	return since, wait, follow, nil
}
