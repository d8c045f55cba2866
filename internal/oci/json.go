package oci

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A reader of JSON (RFC 8259) into a tree that knows its lines. It is here
// because encoding/json takes most of a millisecond to learn the types of a
// configuration, at each start, and cannot name the line of a wrong field.

type kind uint8

const (
	null kind = iota
	boolean
	number
	str
	array
	object
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// node is one value.
type node struct {
	kind kind
	line int
	b    bool
	text string // of a string, decoded; of a number, as written
	keys []string
	kids []node // of an array, or of an object in the order of keys
}

// get returns the last member called key; nil if there is none or it is null.
func (n *node) get(key string) *node {
	for i := len(n.keys) - 1; i >= 0; i-- {
		if n.keys[i] == key {
			if n.kids[i].kind == null {
				return nil
			}
			return &n.kids[i]
		}
	}
	return nil
}

// maxDepth bounds nesting, and so the stack.
const maxDepth = 100

type parser struct {
	src  []byte
	pos  int
	line int
}

type syntaxError struct {
	line int
	msg  string
}

func (e *syntaxError) Error() string { return e.msg }

func (p *parser) fail(format string, a ...any) error {
	return &syntaxError{p.line, fmt.Sprintf(format, a...)}
}

func parse(src []byte) (*node, error) {
	p := &parser{src: src, line: 1}
	var n node
	if err := p.value(&n, 0); err != nil {
		return nil, err
	}
	p.space()
	if p.pos < len(p.src) {
		return nil, p.fail("%s after the end of the JSON value", p.here())
	}
	return &n, nil
}

// here describes what stands at the current position.
func (p *parser) here() string {
	if p.pos >= len(p.src) {
		return "end of file"
	}
	r, _ := utf8.DecodeRune(p.src[p.pos:])
	return strconv.QuoteRune(r)
}

func (p *parser) space() {
	for ; p.pos < len(p.src); p.pos++ {
		switch p.src[p.pos] {
		case '\n':
			p.line++
		case ' ', '\t', '\r':
		default:
			return
		}
	}
}

// eat skips white space and then c, if that is next.
func (p *parser) eat(c byte) bool {
	p.space()
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) value(n *node, depth int) error {
	if depth > maxDepth {
		return p.fail("nested more than %d deep", maxDepth)
	}
	p.space()
	n.line = p.line
	if p.pos >= len(p.src) {
		return p.fail("unexpected end of file")
	}
	switch c := p.src[p.pos]; {
	case c == '{':
		return p.object(n, depth)
	case c == '[':
		p.pos++
		n.kind = array
		if p.eat(']') {
			return nil
		}
		for {
			var kid node
			if err := p.value(&kid, depth+1); err != nil {
				return err
			}
			n.kids = append(n.kids, kid)
			if p.eat(']') {
				return nil
			}
			if !p.eat(',') {
				return p.fail("%s where ',' or ']' belongs", p.here())
			}
		}
	case c == '"':
		n.kind = str
		s, err := p.str()
		n.text = s
		return err
	case c == '-' || c >= '0' && c <= '9':
		n.kind = number
		return p.number(n)
	}
	for _, w := range [...]struct {
		word string
		n    node
	}{{"true", node{kind: boolean, b: true}}, {"false", node{kind: boolean}}, {"null", node{}}} {
		if len(p.src)-p.pos >= len(w.word) && string(p.src[p.pos:p.pos+len(w.word)]) == w.word {
			p.pos += len(w.word)
			n.kind, n.b = w.n.kind, w.n.b
			return nil
		}
	}
	return p.fail("%s where a value belongs", p.here())
}

func (p *parser) object(n *node, depth int) error {
	p.pos++
	n.kind = object
	if p.eat('}') {
		return nil
	}
	for {
		p.space()
		if p.pos >= len(p.src) || p.src[p.pos] != '"' {
			return p.fail("%s where a name in quotes belongs", p.here())
		}
		key, err := p.str()
		if err != nil {
			return err
		}
		if !p.eat(':') {
			return p.fail("%s where ':' belongs", p.here())
		}
		var kid node
		if err := p.value(&kid, depth+1); err != nil {
			return err
		}
		n.keys, n.kids = append(n.keys, key), append(n.kids, kid)
		if p.eat('}') {
			return nil
		}
		if !p.eat(',') {
			return p.fail("%s where ',' or '}' belongs", p.here())
		}
	}
}

func (p *parser) number(n *node) error {
	start := p.pos
	digits := func() bool {
		from := p.pos
		for p.pos < len(p.src) && p.src[p.pos] >= '0' && p.src[p.pos] <= '9' {
			p.pos++
		}
		return p.pos > from
	}
	next := func(set string) bool {
		for i := range len(set) {
			if p.pos < len(p.src) && p.src[p.pos] == set[i] {
				p.pos++
				return true
			}
		}
		return false
	}
	next("-")
	ok := next("0") || digits()
	if ok && next(".") {
		ok = digits()
	}
	if ok && next("eE") {
		next("+-")
		ok = digits()
	}
	if !ok {
		return p.fail("malformed number")
	}
	n.text = string(p.src[start:p.pos])
	return nil
}

// str reads a string in quotes. Invalid UTF-8 and lone surrogates become
// U+FFFD, as encoding/json has it.
func (p *parser) str() (string, error) {
	p.pos++
	start := p.pos
	for p.pos < len(p.src) && p.src[p.pos] != '"' && p.src[p.pos] != '\\' && p.src[p.pos] >= ' ' {
		p.pos++
	}
	if p.pos < len(p.src) && p.src[p.pos] == '"' {
		s := string(p.src[start:p.pos])
		p.pos++
		return valid(s), nil
	}
	out := append([]byte(nil), p.src[start:p.pos]...)
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		p.pos++
		switch {
		case c == '"':
			return valid(string(out)), nil
		case c < ' ':
			return "", p.fail("control character in a string")
		case c != '\\':
			out = append(out, c)
			continue
		}
		if p.pos >= len(p.src) {
			break
		}
		c = p.src[p.pos]
		p.pos++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := p.hex4()
			if !ok {
				return "", p.fail("malformed \\u escape")
			}
			if utf16.IsSurrogate(r) && len(p.src)-p.pos >= 6 && p.src[p.pos] == '\\' && p.src[p.pos+1] == 'u' {
				was := p.pos
				p.pos += 2
				low, ok := p.hex4()
				if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
					p.pos = was
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", p.fail("unknown escape \\%s in a string", strconv.QuoteRune(rune(c)))
		}
	}
	return "", p.fail("string without an end")
}

func (p *parser) hex4() (rune, bool) {
	if len(p.src)-p.pos < 4 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(p.src[p.pos:p.pos+4]), 16, 16)
	if err != nil {
		return 0, false
	}
	p.pos += 4
	return rune(v), true
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
