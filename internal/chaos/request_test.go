package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// response is the response to one request.
type response struct {
	status   int // 0: no complete response
	code     string
	body     map[string]any
	raw      []byte
	replayed bool
	notSent  bool // the request did not reach an instance
}

// lost reports whether the request may have been executed, may not, or may still be.
func (r response) lost() bool {
	return r.status == 0 || r.status == http.StatusBadGateway && !r.notSent
}

// final reports whether a retry is pointless. A 500 is final: no fault excuses it.
func (r response) final() bool {
	switch r.status {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return false
	}
	return r.code != "idempotency_in_progress"
}

// ids returns a field that is a list of ids.
func (r response) ids(field string) []int64 {
	list, _ := r.body[field].([]any)
	ids := make([]int64, len(list))
	for i, one := range list {
		number, _ := one.(json.Number)
		ids[i], _ = number.Int64()
	}
	return ids
}

// result is the outcome of an operation: of one request and its retries.
type result struct {
	response
	from, to int64
	attempts int
	// lost is set if an attempt got no response: it may still be executed, after all the others.
	lost bool
}

// then returns the result of an operation that went on with next.
func (r result) then(next result) result {
	next.from, next.attempts, next.lost = r.from, r.attempts+next.attempts, r.lost || next.lost
	return next
}

func (c *client) newKey() string {
	c.serial++
	return fmt.Sprintf("%d-%d", c.number, c.serial)
}

// repeatOneIn is how many of the successful requests are repeated: one in so many.
const repeatOneIn = 10

// retry sends a POST until its response is final or patience is over. With a key the attempts are one
// operation, however many of them arrive.
func (c *client) retry(path, key string, body any) result {
	r := c.retryMethod(http.MethodPost, path, key, body)
	if key != "" && r.status == http.StatusOK && c.oneIn(repeatOneIn) {
		c.repeat(path, key, body, r.response)
	}
	return r
}

func (c *client) retryGet(path string) result {
	return c.retryMethod(http.MethodGet, path, "", nil)
}

func (c *client) retryMethod(method, path, key string, body any) result {
	c.stats.operations.Add(1)
	r := result{from: time.Now().UnixNano()}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		r.attempts++
		one := c.send(method, path, key, body)
		if one.final() {
			r.response, r.to = one, time.Now().UnixNano()
			return r
		}
		if one.lost() {
			c.stats.unanswered.Add(1)
			r.lost = true
		}
		pause(context.Background(), time.Duration(20+c.random.IntN(150))*time.Millisecond)
	}
	c.stats.unresolved.Add(1)
	r.to = time.Now().UnixNano()
	return r
}

// once sends a POST once and without a key, as a client that then goes away: without a final response
// the status is 0, and the request may have been executed.
func (c *client) once(path string, body any) result {
	c.stats.operations.Add(1)
	r := result{from: time.Now().UnixNano(), attempts: 1}
	r.response = c.send(http.MethodPost, path, "", body)
	r.to = time.Now().UnixNano()
	if !r.final() {
		c.stats.unanswered.Add(1)
		r.response, r.lost = response{}, true
	}
	return r
}

// repeat sends a successful request again with its key: the response is the same, byte for byte.
func (c *client) repeat(path, key string, body any, first response) {
	again := c.send(http.MethodPost, path, key, body)
	if !again.final() {
		return
	}
	c.stats.repeats.Add(1)
	if again.status != first.status || !again.replayed || !bytes.Equal(again.raw, first.raw) {
		c.findings.add("POST %s with the key %s returned %s, and repeated %d %s", path, key, first.raw, again.status, again.raw)
	}
}

// send sends one request and writes it to the journal. It may be called concurrently.
func (c *client) send(method, path, key string, body any) (r response) {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	c.stats.requests.Add(1)
	from := time.Now()
	defer func() {
		if r.replayed {
			c.stats.replays.Add(1)
		}
		c.journal.write(entry{
			From: from, To: time.Now(), Client: c.number, Request: method + " " + path, Key: key, Body: encoded,
			Status: r.status, Replayed: r.replayed, Response: string(r.raw),
		})
	}()
	req, err := http.NewRequestWithContext(context.Background(), method, c.base+path, bytes.NewReader(encoded))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.token)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return response{}
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return response{}
	}
	r = response{
		status: resp.StatusCode, raw: raw,
		replayed: resp.Header.Get("Idempotency-Replayed") != "", notSent: resp.Header.Get(notSentHeader) != "",
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&r.body) != nil {
		r.body = map[string]any{}
	}
	r.code, _ = r.body["code"].(string)
	return r
}
