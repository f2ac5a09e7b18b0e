// Package api holds the OpenAPI document: the wire of Evently for machines, and the source of
// truth that tests hold the router and real responses against.
package api

import (
	_ "embed"
	"slices"
	"sync"
)

//go:embed openapi.yaml
var document []byte

// YAML gives the document as it is kept with the source. The slice is the caller's.
func YAML() []byte { return slices.Clone(document) }

// JSON gives the same document as JSON, its members in the order of the source. The slice is
// the caller's. It fails only on a document that the tests of this package would not let pass.
func JSON() ([]byte, error) {
	converted, err := documentJSON()
	return slices.Clone(converted), err
}

// documentJSON converts once: the document cannot change while the process runs.
var documentJSON = sync.OnceValues(func() ([]byte, error) { return yamlToJSON(document) })
