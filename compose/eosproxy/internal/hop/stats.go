package hop

import (
	"sync"
	"sync/atomic"
	"time"
)

// counters of one hop, since it was made.
type counters struct {
	accepted, refusedUpstream, bytesUp, bytesDown atomic.Int64
}

// A Window sums up round trips: the time from forwarding a request upstream until its reply has been read, for all
// APIs but those whose replies the broker delays on purpose.
type Window struct {
	Count int64 `json:"count"`
	MinUS int64 `json:"min_us"`
	MaxUS int64 `json:"max_us"`
	SumUS int64 `json:"sum_us"`
}

type window struct {
	mu sync.Mutex
	w  Window
}

func (w *window) add(d time.Duration) {
	us := d.Microseconds()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.w.Count == 0 || us < w.w.MinUS {
		w.w.MinUS = us
	}
	w.w.MaxUS = max(w.w.MaxUS, us)
	w.w.SumUS += us
	w.w.Count++
}

func (w *window) get() Window {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w
}

func (w *window) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.w = Window{}
}
