package middleware

import "net/http"

// answer is a ResponseWriter that remembers what was answered. One serves all that look at it.
type answer struct {
	http.ResponseWriter
	status int // 0 until there is one
	bytes  int // of the body
}

// watched gives w, or w with a memory of what was answered.
func watched(w http.ResponseWriter) *answer {
	if a, ok := w.(*answer); ok {
		return a
	}
	return &answer{ResponseWriter: w}
}

// Status is that of an answer that is complete.
func (a *answer) Status() int {
	if a.status == 0 {
		return http.StatusOK // nothing was written: that is what net/http then sends
	}
	return a.status
}

// begun reports whether part of the answer may be out.
func (a *answer) begun() bool { return a.status != 0 }

// WriteHeader remembers the status. Those below 200 announce another one.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(p)
	a.bytes += n
	return n, err
}

// FlushError serves http.ResponseController.
func (a *answer) FlushError() error {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Unwrap serves http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
