package chaos_test

import (
	"net/http"
	"sync"
)

// acknowledged collects the payments that were reported to clients as successful.
type acknowledged struct {
	mu           sync.Mutex
	bookings     []int64
	transactions []string
}

func (a *acknowledged) add(booking int64, transaction string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bookings, a.transactions = append(a.bookings, booking), append(a.transactions, transaction)
}

const (
	payPath = "/api/v1/bookings/payments/simulate"
	// maxTries is how often a client tries to pay with a card that is declined.
	maxTries = 4
)

// payment is one client's way to pay for a booking: the body of its requests, and their key, if any.
type payment struct {
	booking int64
	amount  any
	decline bool
	key     string
}

func (p payment) body() map[string]any {
	body := map[string]any{"booking_id": p.booking, "amount": p.amount}
	if p.decline {
		body["outcome"] = "decline"
	}
	return body
}

// pay pays for a hold, again if the card is declined and sometimes twice at once. It reports whether the
// hold is paid.
func (c *client) pay(b booking) bool {
	p := payment{booking: b.id, amount: b.amount, decline: c.oneIn(20)}
	if c.oneIn(2) {
		p.key = c.newKey()
	}
	var second response
	var twice sync.WaitGroup
	if c.oneIn(6) {
		c.stats.paidTwice.Add(1)
		other := p
		if c.oneIn(2) {
			other.key = c.newKey()
		}
		twice.Go(func() { second = c.send(http.MethodPost, payPath, other.key, other.body()) })
	}
	r := c.tryToPay(p)
	twice.Wait()
	for tries := 1; r.status == http.StatusPaymentRequired && tries < maxTries; tries++ {
		c.stats.declined.Add(1)
		// A decline is not stored for the key, so the same request can be sent again; another body needs
		// another key.
		if p.decline || c.oneIn(2) {
			p.decline, p.key = false, c.newKey()
		}
		r = c.tryToPay(p)
	}
	return c.paid(b, r, second)
}

// tryToPay sends a payment. Without a key it is sent once, as by a client that then goes away.
func (c *client) tryToPay(p payment) result {
	if p.key == "" {
		return c.once(payPath, p.body())
	}
	return c.retry(payPath, p.key, p.body())
}

// paid records the results of a payment and of a second one that was sent at the same time.
func (c *client) paid(b booking, r result, second response) bool {
	switch second.status {
	case http.StatusInternalServerError, http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity:
		c.report("second payment", b, result{response: second})
	case http.StatusOK:
		c.acknowledge(b, second)
		if r.status == http.StatusOK && second.body["transaction_id"] != r.body["transaction_id"] {
			c.findings.add("booking %d was paid twice: %s and %s", b.id, r.raw, second.raw)
		}
	}
	switch r.status {
	case http.StatusOK:
		c.acknowledge(b, r.response)
		return true
	case http.StatusGone, http.StatusConflict:
		c.record(r, opConfirm, ended, b)
	case http.StatusPaymentRequired, 0:
	default:
		c.report("payment", b, r)
	}
	return false
}

func (c *client) acknowledge(b booking, r response) {
	transaction, _ := r.body["transaction_id"].(string)
	c.payments.add(b.id, transaction)
}
