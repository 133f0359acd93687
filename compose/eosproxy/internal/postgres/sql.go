package postgres

import (
	"slices"
	"strings"
)

// Commands gives the SQL command of every statement in a string, in upper case and by one name each: END is COMMIT,
// ABORT is ROLLBACK, START TRANSACTION is BEGIN, WITH is the command behind it. What ends a prepared transaction, and
// ROLLBACK TO a savepoint, are commands of their own. Of a string that is only the beginning of one, the last
// statement counts by what can be seen of it.
func Commands(sql string) []string {
	var commands []string
	s := scanner{sql: sql}
	for more := true; more; {
		var st statement
		st, more = s.statement()
		if command := st.command(); command != "" {
			commands = append(commands, command)
		}
	}
	return commands
}

// A statement is what of it decides which command it is.
type statement struct {
	words []string // the first of them, in upper case
	main  string   // the command behind a WITH
}

const wordsWanted = 4 // CREATE OR REPLACE FUNCTION

func (st *statement) command() string {
	word := func(i int) string {
		if i < len(st.words) {
			return st.words[i]
		}
		return ""
	}
	switch first := word(0); {
	case first == "WITH" && st.main != "":
		return st.main
	case first == "START" && word(1) == "TRANSACTION":
		return "BEGIN"
	case first == "PREPARE" && word(1) == "TRANSACTION", (first == "COMMIT" || first == "ROLLBACK") && word(1) == "PREPARED":
		return first + " " + word(1)
	case first == "END":
		return "COMMIT"
	case first == "ABORT":
		return "ROLLBACK"
	case first == "ROLLBACK" && (word(1) == "TO" || word(2) == "TO" && isNoise(word(1))):
		return "ROLLBACK TO"
	default:
		return first
	}
}

// hasBody says whether the statement may have one with semicolons in it.
func (st *statement) hasBody() bool {
	isRoutine := func(word string) bool { return word == "FUNCTION" || word == "PROCEDURE" }
	return st.words[0] == "CREATE" && slices.ContainsFunc(st.words, isRoutine)
}

func isNoise(word string) bool { return word == "WORK" || word == "TRANSACTION" }

// A scanner walks over SQL as PostgreSQL's own does, with standard_conforming_strings on.
type scanner struct {
	sql string
	at  int
}

// statement reads up to the semicolon that ends the next statement. One in parentheses or in the body of a
// BEGIN ATOMIC … END does not: this is how psql sees it, too.
func (s *scanner) statement() (st statement, more bool) {
	parens, blocks := 0, 0
	for s.at < len(s.sql) {
		switch c := s.sql[s.at]; {
		case s.skipped():
		case isWordStart(c):
			word := strings.ToUpper(s.word())
			if len(st.words) < wordsWanted {
				st.words = append(st.words, word)
			}
			if parens == 0 && st.main == "" && slices.Contains(afterWith, word) {
				st.main = word
			}
			if parens == 0 && st.hasBody() {
				blocks = nested(blocks, word)
			}
		default:
			s.at++
			switch {
			case c == '(':
				parens++
			case c == ')':
				parens = max(parens-1, 0)
			case c == ';' && parens == 0 && blocks == 0:
				return st, true
			}
		}
	}
	return st, false
}

var afterWith = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE"}

// nested follows how deep a word leads into the blocks of a function's body.
func nested(blocks int, word string) int {
	switch {
	case word == "BEGIN", word == "CASE" && blocks > 0:
		return blocks + 1
	case word == "END" && blocks > 0:
		return blocks - 1
	default:
		return blocks
	}
}

// skipped goes over a comment, a quoted string or name, a dollar-quoted string, or a parameter, if there is one.
func (s *scanner) skipped() bool {
	rest := s.sql[s.at:]
	switch {
	case strings.HasPrefix(rest, "--"):
		s.past(strings.IndexAny(rest, "\r\n"), 1)
	case strings.HasPrefix(rest, "/*"):
		s.comment()
	case rest[0] == '\'':
		s.quoted('\'', false)
	case rest[0] == '"':
		s.quoted('"', false)
	case rest[0] == '$':
		s.dollar()
	default:
		return false
	}
	return true
}

// past goes length bytes behind what was found at an index of the rest; -1 means to the end.
func (s *scanner) past(index, length int) {
	if index < 0 {
		s.at = len(s.sql)
	} else {
		s.at += index + length
	}
}

// comment goes over a comment, which may have others in it.
func (s *scanner) comment() {
	depth := 0
	for s.at < len(s.sql) {
		switch rest := s.sql[s.at:]; {
		case strings.HasPrefix(rest, "/*"):
			depth++
			s.at += 2
		case strings.HasPrefix(rest, "*/"):
			depth--
			s.at += 2
		default:
			s.at++
		}
		if depth == 0 {
			return
		}
	}
}

// quoted goes over a string or a name in quotes. A doubled quote ends it and begins another one: the same to us.
func (s *scanner) quoted(quote byte, escapes bool) {
	for s.at++; s.at < len(s.sql); s.at++ {
		switch s.sql[s.at] {
		case '\\':
			if escapes {
				s.at++
			}
		case quote:
			s.at++
			return
		}
	}
	s.at = len(s.sql)
}

// dollar goes over a dollar-quoted string, or over a dollar sign that begins none.
func (s *scanner) dollar() {
	end := s.at + 1
	for end < len(s.sql) && (isWordStart(s.sql[end]) || end > s.at+1 && isDigit(s.sql[end])) {
		end++
	}
	if end == len(s.sql) || s.sql[end] != '$' {
		s.at++
		return
	}
	tag := s.sql[s.at : end+1]
	s.at = end + 1
	s.past(strings.Index(s.sql[s.at:], tag), len(tag))
}

// word reads a word; one that turns out to be the prefix of a string (E'…') takes the string with it.
func (s *scanner) word() string {
	begin := s.at
	for s.at < len(s.sql) && (isWordStart(s.sql[s.at]) || isDigit(s.sql[s.at]) || s.sql[s.at] == '$') {
		s.at++
	}
	word := s.sql[begin:s.at]
	if (word == "e" || word == "E") && s.at < len(s.sql) && s.sql[s.at] == '\'' {
		s.quoted('\'', true)
	}
	return word
}

func isWordStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
