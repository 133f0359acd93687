// Command proxybench measures what a connection through a hop costs, beside a connection through plain Toxiproxy and
// one through neither. It needs a running eosproxy, which serves both, and is the client and the broker itself.
//
// Every round measures every path at every size, one after another, so that what else happens on the machine meets all
// of them; a ratio is taken within its round, and the median over the rounds is told.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

// The paths, and the sizes of the requests that take them: Kafka frames, their size field included.
var (
	paths = []string{"direct", "toxiproxy", "hop"}
	sizes = []size{
		{Name: "512 B", Bytes: 512, Trips: 3000, Burst: 6000, Abreast: 256},
		{Name: "16 KiB", Bytes: 16 << 10, Trips: 2000, Burst: 1000, Abreast: 32},
		{Name: "1 MiB", Bytes: 1 << 20, Trips: 150, Burst: 25, Abreast: 4},
	}
)

// A size of requests, and how many of them are sent: one after the other for their round trips, and then in bursts for
// the throughput, so many abreast.
type size struct {
	Name    string
	Bytes   int
	Trips   int
	Burst   int
	Abreast int
}

func main() {
	api := flag.String("api", "127.0.0.1:8474", "`address` of eosproxy's API")
	rounds := flag.Int("rounds", 9, "how many rounds are measured, behind one that warms up")
	asJSON := flag.Bool("json", false, "print the measurements as JSON")
	flag.Parse()
	results, err := measure(*api, *rounds)
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxybench:", err)
		os.Exit(1)
	}
	if *asJSON {
		err = json.NewEncoder(os.Stdout).Encode(results)
	} else {
		err = report(os.Stdout, results)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxybench:", err)
		os.Exit(1)
	}
}

// A result is one measurement of one path.
type result struct {
	Round      int     `json:"round"`
	Size       string  `json:"size"`
	Path       string  `json:"path"`
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	MBPerS     float64 `json:"mb_per_s"`
	FramesPerS float64 `json:"frames_per_s"`
}

func measure(api string, rounds int) ([]result, error) {
	b, err := newBench(api)
	if err != nil {
		return nil, err
	}
	defer b.close()
	var all []result
	for round := range rounds + 1 {
		for _, s := range sizes {
			measured, err := b.round(s, round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
			if round > 0 { // the first one warms up
				all = append(all, measured...)
			}
		}
	}
	return all, nil
}
