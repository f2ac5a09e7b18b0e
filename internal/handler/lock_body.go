package handler

import (
	"bytes"
	"math"
)

// Names as they stand in a body.
var (
	showIDName  = []byte(`"show_id"`)
	seatIDsName = []byte(`"seat_ids"`)
)

// maxSeatIDs is the bound of any configuration, as the validate tag of lockRequest has it.
const maxSeatIDs = 100

// readPlainLock reads the body of a lock as clients write it: one object of the two members, each once,
// with ids above 0. When a big sale begins this is the body of nearly every request, and reading it this
// way costs a fraction of what the way of all bodies does. Whatever is written in any other way, good or
// not, goes that way, which tells what is wrong; so there is nothing to report here.
func readPlainLock(body []byte) (request lockRequest, ok bool) {
	p := plainBody{rest: body}
	if !p.take('{') {
		return request, false
	}
	for first := true; first || p.take(','); first = false {
		switch {
		case p.takeName(showIDName) && request.ShowID == 0:
			request.ShowID = p.id()
		case p.takeName(seatIDsName) && request.SeatIDs == nil:
			request.SeatIDs = p.ids(maxSeatIDs)
		default:
			return request, false
		}
	}
	ok = p.take('}') && p.atEnd() && request.ShowID > 0 && len(request.SeatIDs) > 0
	return request, ok
}

// plainBody is what is left to be read of a body.
type plainBody struct{ rest []byte }

func (p *plainBody) skipSpace() {
	for len(p.rest) > 0 && (p.rest[0] == ' ' || p.rest[0] == '\n' || p.rest[0] == '\r' || p.rest[0] == '\t') {
		p.rest = p.rest[1:]
	}
}

// take reads c, if that comes next.
func (p *plainBody) take(c byte) bool {
	p.skipSpace()
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// takeName reads a member's name and the colon, if they come next.
func (p *plainBody) takeName(name []byte) bool {
	p.skipSpace()
	if !bytes.HasPrefix(p.rest, name) {
		return false
	}
	p.rest = p.rest[len(name):]
	return p.take(':')
}

// id reads a whole number above 0; 0 is anything else.
func (p *plainBody) id() int64 {
	p.skipSpace()
	if len(p.rest) == 0 || p.rest[0] == '0' { // JSON has no leading zeros
		return 0
	}
	var id int64
	n := 0
	for ; n < len(p.rest) && '0' <= p.rest[n] && p.rest[n] <= '9'; n++ {
		digit := int64(p.rest[n] - '0')
		if id > (math.MaxInt64-digit)/10 {
			return 0
		}
		id = 10*id + digit
	}
	p.rest = p.rest[n:] // a fraction or an exponent is no end of a member
	return id
}

// ids reads a list of up to limit ids; nil is anything else.
func (p *plainBody) ids(limit int) []int64 {
	if !p.take('[') {
		return nil
	}
	var ids []int64
	for first := true; first || p.take(','); first = false {
		id := p.id()
		if id == 0 || len(ids) == limit {
			return nil
		}
		ids = append(ids, id)
	}
	if !p.take(']') {
		return nil
	}
	return ids
}

func (p *plainBody) atEnd() bool {
	p.skipSpace()
	return len(p.rest) == 0
}
