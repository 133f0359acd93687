package engine

import (
	"strings"
	"testing"

	"eosproxy/internal/wire"
)

func TestMatchingOfTextProtocols(t *testing.T) {
	path := "/charges"
	commit := wire.Request{Protocol: wire.Postgres, API: "COMMIT"}
	charge := wire.Request{Protocol: wire.HTTP, API: "POST", Path: "/charges/7"}
	refund := wire.Request{Protocol: wire.HTTP, API: "POST", Path: "/refunds"}
	for _, c := range []struct {
		match Match
		hits  []wire.Request
	}{
		{Match{Protocol: wire.Postgres, API: "COMMIT"}, []wire.Request{commit}},
		{Match{Protocol: wire.HTTP, API: "POST"}, []wire.Request{charge, refund}},
		{Match{Protocol: wire.HTTP, API: "POST", Path: &path}, []wire.Request{charge}},
		{Match{Protocol: wire.SMTP, API: "DATA"}, nil},
	} {
		e := newEngine()
		add(t, e, func(r *Rule) { r.Match, r.Action, r.Times = []Match{c.match}, ActionNote, -1 })
		for _, request := range []wire.Request{commit, charge, refund} {
			e.Count(Source{Lane: "lane-1"}, &request)
		}
		if seen := e.Rules()[0].Seen; seen != len(c.hits) {
			t.Errorf("%+v: %d seen, want %d", c.match, seen, len(c.hits))
		}
		for _, request := range c.hits {
			if !e.Watches(Source{Lane: "lane-1"}, request.Protocol, request.API) {
				t.Errorf("%+v is not watched for", request)
			}
		}
	}
}

func TestMatchCheckOfTextProtocols(t *testing.T) {
	path, topic := "/", "orders"
	for _, c := range []struct {
		wrong  string
		change func(*Rule)
	}{
		{"", func(r *Rule) { r.Match[0] = Match{Protocol: wire.HTTP, API: "POST", Path: &path} }},
		{"", func(r *Rule) {
			r.Match[0], r.Action, r.Error = Match{Protocol: wire.SMTP, API: "DATA"}, ActionRefuse, "451"
		}},
		{`protocol: "tcp" has no requests that are known`, func(r *Rule) { r.Match[0].Protocol = "tcp" }},
		{`api: PostgreSQL has no command "EndTxn"`, func(r *Rule) { r.Match[0].Protocol = wire.Postgres }},
		{`api: "END" is called "COMMIT" here`, func(r *Rule) { r.Match[0] = Match{Protocol: wire.Postgres, API: "END"} }},
		{"path: a request of EndTxn has none", func(r *Rule) { r.Match[0].Path = &path }},
		{"path: a request of DATA has none", func(r *Rule) { r.Match[0] = Match{Protocol: wire.SMTP, API: "DATA", Path: &path} }},
		{"topic: a request of POST has none", func(r *Rule) { r.Match[0] = Match{Protocol: wire.HTTP, API: "POST", Topic: &topic} }},
		{`match[0]: error: "59" is no SQLSTATE`, func(r *Rule) {
			r.Match[0], r.Action, r.Error = Match{Protocol: wire.Postgres, API: "COMMIT"}, ActionRefuse, "59"
		}},
		{"at: a reply cannot be refused", func(r *Rule) { r.Action, r.At, r.Error = ActionRefuse, Reply, "59" }},
		{"at: a request cannot be replaced", func(r *Rule) { r.Action, r.Error = ActionReplace, "59" }},
		{"error: missing, to refuse with", func(r *Rule) { r.Action = ActionRefuse }},
		{"error: of no use to hold", func(r *Rule) { r.Error = "59" }},
	} {
		r := rule(c.change)
		if err := r.Check(); (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%v, want %q", err, c.wrong)
		}
	}
}
