package api

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// yamlToJSON walks the nodes of a YAML document instead of decoding it into maps, which would
// lose the order of paths and schemas that readers of the documentation see.
func yamlToJSON(source []byte) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(source, &root); err != nil {
		return nil, fmt.Errorf("parse the OpenAPI document: %w", err)
	}
	if root.Kind != yaml.DocumentNode {
		return nil, fmt.Errorf("the OpenAPI document is empty")
	}
	var out bytes.Buffer
	if err := writeNode(&out, root.Content[0]); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func writeNode(out *bytes.Buffer, node *yaml.Node) error {
	switch node.Kind {
	case yaml.MappingNode:
		return writeMapping(out, node)
	case yaml.SequenceNode:
		out.WriteByte('[')
		for i, item := range node.Content {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeNode(out, item); err != nil {
				return err
			}
		}
		out.WriteByte(']')
		return nil
	case yaml.ScalarNode:
		return writeScalar(out, node)
	default:
		return fmt.Errorf("line %d of the OpenAPI document: only mappings, lists and scalars become JSON", node.Line)
	}
}

func writeMapping(out *bytes.Buffer, node *yaml.Node) error {
	out.WriteByte('{')
	// The content of a mapping alternates between keys and values.
	for i := 0; i < len(node.Content); i += 2 {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := writeJSON(out, node.Content[i].Value); err != nil {
			return err
		}
		out.WriteByte(':')
		if err := writeNode(out, node.Content[i+1]); err != nil {
			return err
		}
	}
	out.WriteByte('}')
	return nil
}

func writeScalar(out *bytes.Buffer, node *yaml.Node) error {
	switch node.Tag {
	case "!!str", "!!timestamp": // JSON has no timestamps: what was written is what is meant
		return writeJSON(out, node.Value)
	default:
		var value any
		if err := node.Decode(&value); err != nil {
			return fmt.Errorf("line %d of the OpenAPI document: %w", node.Line, err)
		}
		return writeJSON(out, value)
	}
}

func writeJSON(out *bytes.Buffer, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write the OpenAPI document as JSON: %w", err)
	}
	out.Write(encoded)
	return nil
}
