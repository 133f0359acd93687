package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A goal is what a hop is to reach in comparison with plain Toxiproxy.
type goal struct {
	what  string
	value func(result) float64
	bound map[string]float64 // of the ratio hop/toxiproxy, by size
	most  bool               // the bound is the most, else the least
}

var goals = []goal{
	{"p50", func(r result) float64 { return r.P50 }, map[string]float64{"512 B": 1, "16 KiB": 1, "1 MiB": 1}, true},
	{"p99", func(r result) float64 { return r.P99 }, map[string]float64{"512 B": 1.2, "16 KiB": 1.2, "1 MiB": 1.2}, true},
	{"throughput", func(r result) float64 { return r.MBPerS }, map[string]float64{"512 B": 0.8, "16 KiB": 1.5, "1 MiB": 1.5}, false},
}

// report prints the medians over all rounds, and the ratios with the goals.
func report(w io.Writer, all []result) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%-8s %-10s %10s %10s %10s %10s\n", "size", "path", "p50 µs", "p99 µs", "MB/s", "kframes/s")
	for _, s := range sizes {
		for _, path := range paths {
			of := func(value func(result) float64) float64 { return median(pick(all, s.Name, path, value)) }
			fmt.Fprintf(&text, "%-8s %-10s %10.0f %10.0f %10.0f %10.1f\n", s.Name, path,
				of(func(r result) float64 { return r.P50 }), of(func(r result) float64 { return r.P99 }),
				of(func(r result) float64 { return r.MBPerS }), of(func(r result) float64 { return r.FramesPerS })/1000)
		}
	}
	text.WriteString("\nhop / toxiproxy, the median of the rounds' ratios [least … most]:\n")
	for _, s := range sizes {
		for _, g := range goals {
			text.WriteString(g.verdict(all, s.Name) + "\n")
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func (g goal) verdict(all []result, size string) string {
	hop, toxiproxy := pick(all, size, "hop", g.value), pick(all, size, "toxiproxy", g.value)
	ratios := make([]float64, len(hop))
	for i := range hop {
		ratios[i] = hop[i] / toxiproxy[i]
	}
	ratio, bound := median(ratios), g.bound[size]
	sign, reached := "at least", ratio >= bound
	if g.most {
		sign, reached = "at most", ratio <= bound
	}
	word := map[bool]string{true: "reached", false: "MISSED"}[reached]
	return fmt.Sprintf("%-8s %-10s %5.2f [%.2f … %.2f]  goal: %s %.1f  %s",
		size, g.what, ratio, slices.Min(ratios), slices.Max(ratios), sign, bound, word)
}

// pick gives one value of every round.
func pick(all []result, size, path string, value func(result) float64) (values []float64) {
	for _, r := range all {
		if r.Size == size && r.Path == path {
			values = append(values, value(r))
		}
	}
	return values
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
