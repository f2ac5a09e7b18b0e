package cache

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"time"

	"evently/internal/domain"
)

// pieceSeats is how many seats are encoded and compressed together: a seat that changes costs the
// encoding of its piece. Smaller pieces would compress worse.
const pieceSeats = 128

// piece is some seats of a map as they are sent.
type piece struct {
	plain  []byte
	packed []byte // deflate, ended at a byte so that the next piece can follow
	sum    [sha256.Size]byte
}

var (
	mapHead = []byte(`{"seats":[`)
	mapTail = []byte(`]}`)
)

// render gives the map as it is at this moment, or as it was at asked, a moment ago. The caller holds
// the map's lock.
func (c *SeatMaps) render(m *seatMap, asked time.Time) (*Body, error) {
	if m.body != nil && (m.until.IsZero() || asked.Before(m.until)) {
		return m.body, nil
	}
	now := c.options.Now()
	stale := m.advance(now)
	for _, at := range stale {
		if err := c.encodePiece(m, at); err != nil {
			m.pieces = nil // all of them, next time
			return nil, err
		}
	}
	m.body = m.assemble()
	return m.body, nil
}

// advance brings what is shown up to now, and gives the pieces that have to be encoded again.
func (m *seatMap) advance(now time.Time) (stale []int) {
	pieces := (len(m.seats) + pieceSeats - 1) / pieceSeats
	all := len(m.pieces) != pieces
	if all {
		m.pieces = make([]piece, pieces)
	}
	m.until = time.Time{}
	for at := range pieces {
		changed := all || m.pieces[at].plain == nil
		for i := at * pieceSeats; i < min((at+1)*pieceSeats, len(m.seats)); i++ {
			s := &m.seats[i]
			status := s.shown(now)
			if status == domain.SeatLocked && (m.until.IsZero() || s.until.Before(m.until)) {
				m.until = s.until
			}
			if s.Status != status {
				s.Status, changed = status, true
			}
		}
		if changed {
			stale = append(stale, at)
		}
	}
	return stale
}

// encodePiece writes the seats of a piece anew. What was written before may be on its way to
// somebody, and stays as it is.
func (c *SeatMaps) encodePiece(m *seatMap, at int) error {
	seats := make([]domain.ShowSeat, 0, pieceSeats)
	for i := at * pieceSeats; i < min((at+1)*pieceSeats, len(m.seats)); i++ {
		seats = append(seats, m.seats[i].ShowSeat)
	}
	var plain []byte
	if at > 0 {
		plain = append(plain, ',')
	}
	plain, err := c.encode(plain, seats)
	if err != nil {
		return err
	}
	p := &m.pieces[at]
	p.plain = plain
	p.sum = sha256.Sum256(plain)
	p.packed = c.pack(plain)
	return nil
}

// pack gives the deflate form of plain, which leans on nothing before it and ends at a byte.
func (c *SeatMaps) pack(plain []byte) []byte {
	var b bytes.Buffer
	z, _ := c.packers.Get().(*flate.Writer)
	if z == nil {
		z, _ = flate.NewWriter(&b, flate.BestSpeed) // the level exists
	} else {
		z.Reset(&b)
	}
	defer c.packers.Put(z)
	_, _ = z.Write(plain) // a bytes.Buffer takes everything
	_ = z.Flush()
	return bytes.Clone(b.Bytes())
}

// The frame of a gzip file (RFC 1952): a head without name and time, a last deflate block that is
// empty, and behind it checksum and length.
var (
	gzipHead = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}
	gzipEnd  = []byte{1, 0, 0, 0xff, 0xff}
)

// stored gives bytes as a deflate block that is not compressed.
func stored(b, plain []byte) []byte {
	b = append(b, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(plain)))
	b = binary.LittleEndian.AppendUint16(b, ^uint16(len(plain)))
	return append(b, plain...)
}

// assemble puts the pieces together.
func (m *seatMap) assemble() *Body {
	size := len(gzipHead) + len(gzipEnd) + 32
	for i := range m.pieces {
		size += len(m.pieces[i].packed)
	}
	b := &Body{parts: make([][]byte, 0, len(m.pieces)+2), packed: make([]byte, 0, size)}
	sums := sha256.New()
	checksum := crc32.NewIEEE()
	add := func(plain []byte) {
		b.parts = append(b.parts, plain)
		b.length += len(plain)
		_, _ = checksum.Write(plain) // it never fails
	}

	b.packed = append(b.packed, gzipHead...)
	add(mapHead)
	b.packed = stored(b.packed, mapHead)
	for i := range m.pieces {
		p := &m.pieces[i]
		add(p.plain)
		b.packed = append(b.packed, p.packed...)
		_, _ = sums.Write(p.sum[:])
	}
	add(mapTail)
	b.packed = stored(b.packed, mapTail)
	b.packed = append(b.packed, gzipEnd...)
	b.packed = binary.LittleEndian.AppendUint32(b.packed, checksum.Sum32())
	b.packed = binary.LittleEndian.AppendUint32(b.packed, uint32(b.length))
	b.tag = []string{tagOf([sha256.Size]byte(sums.Sum(nil)))}
	return b
}
