package postgres

import (
	"slices"
	"testing"
)

func TestCommands(t *testing.T) {
	for sql, want := range map[string][]string{
		"":                         nil,
		" ; ;; ":                   nil,
		"commit":                   {"COMMIT"},
		"COMMIT;":                  {"COMMIT"},
		"End work":                 {"COMMIT"},
		"commit and chain":         {"COMMIT"},
		"COMMIT PREPARED 'x'":      {"COMMIT PREPARED"},
		"prepare transaction 'x'":  {"PREPARE TRANSACTION"},
		"prepare p as select 1":    {"PREPARE"},
		"ABORT":                    {"ROLLBACK"},
		"rollback to savepoint a":  {"ROLLBACK TO"},
		"rollback work to a":       {"ROLLBACK TO"},
		"ROLLBACK WORK":            {"ROLLBACK"},
		"start transaction":        {"BEGIN"},
		"-- COMMIT\n begin":        {"BEGIN"},
		"-- all of it is a remark": nil,
		"/* a /* COMMIT; */ b */ INSERT INTO t VALUES ('COMMIT;')":                                            {"INSERT"},
		"BEGIN; INSERT INTO t VALUES (';'), (';''') ; COMMIT":                                                 {"BEGIN", "INSERT", "COMMIT"},
		`SELECT E'\';COMMIT;', "a;b", 'c\'; COMMIT`:                                                           {"SELECT", "COMMIT"},
		"DO $$ BEGIN COMMIT; END $$; SELECT $1; SELECT a$b$c; COMMIT":                                         {"DO", "SELECT", "SELECT", "COMMIT"},
		"select $x$ ; $y$ ; $x$ ; commit":                                                                     {"SELECT", "COMMIT"},
		"select $1;commit":                                                                                    {"SELECT", "COMMIT"},
		"with a as (select 1), b as (delete from t returning 1) insert into u select 1":                       {"INSERT"},
		"WITH a AS (SELECT 1) SELECT 1; COMMIT":                                                               {"SELECT", "COMMIT"},
		"(select 1) union (select 2); commit":                                                                 {"SELECT", "COMMIT"},
		"create rule r as on insert to t do (delete from u; select 1); commit":                                {"CREATE", "COMMIT"},
		"create function f() returns int begin atomic select case 1 when 1 then 2 end; select 1; end; commit": {"CREATE", "COMMIT"},
		"create table t (begin int); commit":                                                                  {"CREATE", "COMMIT"},
		"CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC DELETE FROM t; END; COMMIT":                             {"CREATE", "COMMIT"},
		"create schema begin; commit":                                                                         {"CREATE", "COMMIT"},
		"select 'not closed; commit":                                                                          {"SELECT"},
		"select $$ not closed; commit":                                                                        {"SELECT"},
		"select /* not closed; commit":                                                                        {"SELECT"},
		"select ); commit":                                                                                    {"SELECT", "COMMIT"},
	} {
		if got := Commands(sql); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", sql, got, want)
		}
	}
}

func FuzzCommands(f *testing.F) {
	for _, sql := range []string{"BEGIN; COMMIT", "select $a$ ; $a$; /* */ E'\\' ;", "create function begin atomic ; end;"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if n := len(Commands(sql)); n > len(sql) {
			t.Errorf("%d commands in %d bytes", n, len(sql))
		}
	})
}
