// Command eosproxy is Toxiproxy, unmodified, plus hops that understand Kafka: it relays connections frame by frame,
// and holds, loses or notes the frames that rules name. README.md describes its HTTP API.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"eosproxy/internal/api"
	"eosproxy/internal/engine"
	"eosproxy/internal/hop"
	"eosproxy/internal/loopback"
)

// version is set by the linker.
var version = "dev"

// closePatience bounds each step of the shutdown.
const closePatience = 3 * time.Second

type options struct {
	api            string
	events         int
	dialTimeout    time.Duration
	exitOnStdinEOF bool
	policy         loopback.Policy
}

func main() {
	opts, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "eosproxy:", err)
		os.Exit(2)
	}
	signal.Ignore(syscall.SIGPIPE) // a parent that reads no more of what is logged is no reason to die
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if opts.exitOnStdinEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	if err := run(ctx, opts, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "eosproxy:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("eosproxy", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are told once, by main
	flags.StringVar(&o.api, "api", "127.0.0.1:8474", "`address` of the HTTP API")
	flags.IntVar(&o.events, "events", 100_000, "how many events are kept")
	flags.DurationVar(&o.dialTimeout, "dial-timeout", 5*time.Second, "how long a hop tries to reach its upstream")
	flags.BoolVar(&o.exitOnStdinEOF, "exit-on-stdin-eof", false, "exit when standard input ends: with its parent")
	flags.BoolVar(&o.policy.AllowAny, "allow-any-address", false, "allow addresses other than loopback, for containers")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(os.Stdout)
			flags.Usage()
		}
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.events < 1:
		return o, fmt.Errorf("-events: %d is less than 1", o.events)
	case o.dialTimeout <= 0:
		return o, fmt.Errorf("-dial-timeout: %v is not positive", o.dialTimeout)
	}
	if err := o.policy.Check(o.api); err != nil {
		return o, fmt.Errorf("-api: %w", err)
	}
	return o, nil
}

// run serves until ctx is done, then closes everything; frames that are held then are not delivered.
func run(ctx context.Context, opts options, stdout io.Writer) error {
	listener, err := net.Listen("tcp", opts.api)
	if err != nil {
		return err
	}
	eng := engine.New(engine.NewLog(opts.events))
	hops := hop.NewSet(hop.Options{Engine: eng, Policy: opts.policy, DialTimeout: opts.dialTimeout})
	logger := zerolog.New(os.Stderr).With().Timestamp().Logger().Level(zerolog.WarnLevel)
	tox := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), logger)
	handler := &api.Server{Version: version, Engine: eng, Hops: hops, Policy: opts.policy, Toxiproxy: tox.Routes()}
	// Not Toxiproxy's own server: its timeouts would cut the stream of events.
	server := &http.Server{Handler: handler.Handler(), ReadHeaderTimeout: 10 * time.Second}

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	started, err := json.Marshal(map[string]string{"listening": listener.Addr().String(), "version": version})
	if err == nil {
		_, err = fmt.Fprintf(stdout, "%s\n", started)
	}
	if err == nil {
		select {
		case err = <-failed:
		case <-ctx.Done():
		}
	}
	_ = server.Close()
	hops.Close(closePatience)
	clearProxies(tox)
	return err
}

// clearProxies ends Toxiproxy's proxies; one with a stalled client can take for ever, so the wait is bounded.
func clearProxies(tox *toxiproxy.ApiServer) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tox.Collection.Clear()
	}()
	select {
	case <-done:
	case <-time.After(closePatience):
	}
}
