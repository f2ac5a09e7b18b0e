package seatmap

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"sync"
	"time"

	"evently/internal/domain"
	"evently/internal/respcache"
)

// blockSeats is how many seats are encoded together. A change costs one block, but smaller ones compress worse.
const blockSeats = 128

type block struct {
	deflated []byte // complete deflate blocks, ended at a byte boundary
	length   int    // of the plain form
	crc      uint32 // what the plain form adds to the CRC-32 of what comes before it
}

type seatWithStatus struct {
	Seat
	Status domain.SeatStatus `json:"status"`
}

var statuses = [...]domain.SeatStatus{
	phaseFree: domain.SeatAvailable, phaseHeld: domain.SeatLocked, phaseBooked: domain.SeatBooked,
}

// render returns the map as it is at now. m.mu is held.
func (m *showMap) render(now time.Time) (*respcache.Body, error) {
	if !m.dirty && m.rendered != nil && (m.nextEnd.IsZero() || now.Before(m.nextEnd)) {
		return m.rendered, nil
	}
	if m.blocks == nil {
		m.blocks = make([]block, max(1, (len(m.seats)+blockSeats-1)/blockSeats))
	}
	m.nextEnd = time.Time{}
	for i := range m.blocks {
		changed := m.show(m.blockOf(i), now)
		if !changed && m.blocks[i].deflated != nil {
			continue
		}
		m.rendered, m.blocks[i].deflated = nil, nil
		plain, err := m.encode(i)
		if err != nil {
			return nil, domain.ErrInternal.WithCause(err)
		}
		m.blocks[i] = newBlock(plain)
	}
	m.dirty = false
	if m.rendered == nil {
		m.rendered = assemble(m.blocks)
	}
	return m.rendered, nil
}

func (m *showMap) blockOf(i int) []seat {
	return m.seats[i*blockSeats : min((i+1)*blockSeats, len(m.seats))]
}

func (m *showMap) show(seats []seat, now time.Time) (changed bool) {
	for i := range seats {
		s := &seats[i]
		visible := s.visible(now)
		if visible == phaseHeld && (m.nextEnd.IsZero() || s.until.Before(m.nextEnd)) {
			m.nextEnd = s.until
		}
		if visible != s.shown {
			s.shown, changed = visible, true
		}
	}
	return changed
}

// encode returns the JSON of a block. The first one opens the document and the last one closes it.
func (m *showMap) encode(at int) ([]byte, error) {
	seats := m.blockOf(at)
	items := make([]seatWithStatus, len(seats))
	for i := range seats {
		items[i] = seatWithStatus{ToSeat(seats[i].Seat), statuses[seats[i].shown]}
	}
	list, err := json.Marshal(items)
	if err != nil {
		return nil, err
	}
	head, tail := ",", ""
	if at == 0 {
		head = `{"seats":[`
	}
	if at == len(m.blocks)-1 {
		tail = `]}`
	}
	return bytes.Join([][]byte{[]byte(head), list[1 : len(list)-1], []byte(tail)}, nil), nil
}

var deflaters = sync.Pool{New: func() any {
	z, _ := flate.NewWriter(nil, flate.BestSpeed) // the level exists
	return z
}}

func newBlock(plain []byte) block {
	var b bytes.Buffer
	z, _ := deflaters.Get().(*flate.Writer) // the pool has nothing else
	defer deflaters.Put(z)
	z.Reset(&b)
	_, _ = z.Write(plain) // a bytes.Buffer accepts every write
	_ = z.Flush()
	return block{
		deflated: bytes.Clone(b.Bytes()),
		length:   len(plain),
		crc:      crc32.ChecksumIEEE(plain) ^ crcOfZeros(0, len(plain)),
	}
}

// A gzip file (RFC 1952) is a header, deflate blocks of which the last is marked, here an empty one, CRC-32 and length.
var (
	gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}
	lastBlock  = []byte{1, 0, 0, 0xff, 0xff}
)

func assemble(blocks []block) *respcache.Body {
	size := len(gzipHeader) + len(lastBlock) + 8
	for i := range blocks {
		size += len(blocks[i].deflated)
	}
	gzip := append(make([]byte, 0, size), gzipHeader...)
	length, crc := 0, uint32(0)
	for i := range blocks {
		b := &blocks[i]
		gzip = append(gzip, b.deflated...)
		length += b.length
		// CRC-32 is linear: appending b is appending zeros and adding the difference that its content makes.
		crc = crcOfZeros(crc, b.length) ^ b.crc
	}
	gzip = append(gzip, lastBlock...)
	gzip = binary.LittleEndian.AppendUint32(gzip, crc)
	gzip = binary.LittleEndian.AppendUint32(gzip, uint32(length))
	return respcache.NewGzipBody(gzip, length)
}

var zeros [16 << 10]byte

// crcOfZeros appends n zeros to what crc is the CRC-32 of.
func crcOfZeros(crc uint32, n int) uint32 {
	for n > 0 {
		part := zeros[:min(n, len(zeros))]
		crc = crc32.Update(crc, crc32.IEEETable, part)
		n -= len(part)
	}
	return crc
}
