package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

const module = "evently"

// pkg is a package as the rules see it.
type pkg struct {
	path    string   // within the module
	imports []string // without tests
}

func roomOf(path string) (room, bool) {
	i := slices.IndexFunc(rooms, func(r room) bool { return r.path == path })
	if i < 0 {
		return room{}, false
	}
	return rooms[i], true
}

// checkImports returns a line for each import of p that the tables do not allow.
func checkImports(p pkg) []string {
	from, known := roomOf(p.path)
	if !known {
		return []string{fmt.Sprintf("%s is not in the table of rooms", p.path)}
	}
	var faults []string
	for _, imported := range p.imports {
		target, own := strings.CutPrefix(imported, module+"/")
		if !own {
			faults = append(faults, checkLibrary(from.path, imported)...)
			continue
		}
		if !slices.Contains(from.imports, target) && !slices.Contains(from.imports, anything) {
			faults = append(faults, fmt.Sprintf("%s may not import %s", from.path, target))
			continue
		}
		if to, known := roomOf(target); known && to.importedBy != nil && !slices.Contains(to.importedBy, from.path) {
			faults = append(faults, fmt.Sprintf("%s may not be imported by %s", target, from.path))
		}
	}
	return faults
}

func checkLibrary(from, imported string) []string {
	for _, l := range libraries {
		match := imported == l.path || !l.exactly && strings.HasPrefix(imported, l.path+"/")
		if match && !slices.Contains(l.in, from) {
			return []string{fmt.Sprintf("%s may not import %s", from, imported)}
		}
	}
	return nil
}

// checkSource returns a line for each rule that a Go file breaks. The name is relative to the module. The rules do not apply
// to tests.
func checkSource(name string, source []byte) ([]string, error) {
	var faults []string
	limit := maxLines
	if own, ok := shorter[name]; ok {
		limit = own
	}
	if lines := bytes.Count(source, []byte("\n")); lines > limit {
		faults = append(faults, fmt.Sprintf("%s has %d lines, more than %d", name, lines, limit))
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == "init" && f.Recv == nil {
			faults = append(faults, fmt.Sprintf("%s: func init: nothing happens before main", files.Position(f.Pos())))
		}
	}
	local, dots := localNames(file)
	for _, b := range bans {
		if !applies(b, path.Dir(name)) {
			continue
		}
		if slices.Contains(dots, b.pkg) {
			faults = append(faults, fmt.Sprintf("%s: dot import of %s", name, b.pkg))
		}
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(b.names, sel.Sel.Name) {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && local[x.Name] == b.pkg {
				faults = append(faults, fmt.Sprintf("%s: %s.%s: %s", files.Position(sel.Pos()), b.pkg, sel.Sel.Name, b.why))
			}
			return true
		})
	}
	return faults, nil
}

func applies(b ban, dir string) bool {
	return (slices.Contains(b.in, anything) || slices.Contains(b.in, dir)) && !slices.Contains(b.except, dir)
}

// localNames maps the names of the imports of a file to their paths. It returns dot imports separately.
func localNames(file *ast.File) (named map[string]string, dots []string) {
	named = map[string]string{}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser rejects invalid paths
		}
		switch {
		case spec.Name == nil:
			named[path.Base(imported)] = imported
		case spec.Name.Name == ".":
			dots = append(dots, imported)
		default:
			named[spec.Name.Name] = imported
		}
	}
	return named, dots
}
