package hop

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// The errors that callers tell apart.
var (
	ErrExists = errors.New("there is already a hop of this name")
	ErrNoHop  = errors.New("there is no such hop")
)

var errStopping = errors.New("eosproxy is stopping")

// A Set is all hops of a process.
type Set struct {
	opts Options

	mu     sync.Mutex
	hops   map[string]*Hop
	order  []string // names, as created
	closed bool
}

// NewSet makes an empty set.
func NewSet(opts Options) *Set { return &Set{opts: opts, hops: map[string]*Hop{}} }

// Create starts new hops, all or none.
func (s *Set) Create(configs []Config) (states []State, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errStopping
	}
	if err := s.check(configs); err != nil {
		return nil, err
	}
	var started []*Hop
	defer func() {
		if err != nil {
			for _, h := range started {
				h.retire("hop was not created")
			}
		}
	}()
	for _, c := range configs {
		h := newHop(c, s.opts)
		if err := h.Apply(Change{Enabled: ptr(true)}); err != nil {
			return nil, err
		}
		started = append(started, h)
	}
	for _, h := range started {
		s.hops[h.name] = h
		s.order = append(s.order, h.name)
		states = append(states, h.State())
	}
	return states, nil
}

func (s *Set) check(configs []Config) error {
	if len(configs) == 0 {
		return fmt.Errorf("%w: no hops given", ErrInvalid)
	}
	var errs []error
	seen := map[string]bool{}
	for _, c := range configs {
		errs = append(errs, c.check(s.opts.Policy))
		if seen[c.Name] {
			errs = append(errs, fmt.Errorf("%w: hop %q is given twice", ErrInvalid, c.Name))
		}
		seen[c.Name] = true
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, c := range configs {
		if s.hops[c.Name] != nil {
			return fmt.Errorf("%w: %q", ErrExists, c.Name)
		}
	}
	return nil
}

// Get finds a hop by its name.
func (s *Set) Get(name string) (*Hop, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.hops[name]; h != nil {
		return h, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNoHop, name)
}

// States lists all hops in the order they were created.
func (s *Set) States() []State {
	states := []State{}
	for _, h := range s.all() {
		states = append(states, h.State())
	}
	return states
}

// ResetRTT begins a new window of round trips on all hops of a lane.
func (s *Set) ResetRTT(lane string) error {
	found := false
	for _, h := range s.all() {
		if h.lane == lane && lane != "" {
			h.rtt.reset()
			found = true
		}
	}
	if !found {
		return fmt.Errorf("%w on lane %q", ErrNoHop, lane)
	}
	return nil
}

// OpenConnections counts the connections of all hops.
func (s *Set) OpenConnections() int {
	n := 0
	for _, h := range s.all() {
		n += h.State().OpenConnections
	}
	return n
}

// Close ends all hops and waits, at most for patience, until their connections are gone. Frames that are held are
// not delivered.
func (s *Set) Close(patience time.Duration) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	hops := s.all()
	for _, h := range hops {
		h.retire("eosproxy stops")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, h := range hops {
			h.running.Wait()
		}
	}()
	select {
	case <-done:
	case <-time.After(patience):
	}
}

func (s *Set) all() []*Hop {
	s.mu.Lock()
	defer s.mu.Unlock()
	hops := make([]*Hop, 0, len(s.order))
	for _, name := range s.order {
		hops = append(hops, s.hops[name])
	}
	return hops
}

func ptr[T any](v T) *T { return &v }
