package reference

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
)

var update = flag.Bool("update", false, "write the generated files")

// The generated files must be what the types and their comments say now.
func TestGeneratedFiles(t *testing.T) {
	docs := docComments(t, os.DirFS(".."))
	page, err := Page(docs, os.DirFS("../../../examples/shop"))
	if err != nil {
		t.Fatal(err)
	}
	schema := string(GenerateSchema(docs))
	for file, want := range map[string]string{
		"../../../docs/reference/configuration.md": page,
		"../../../docs/reference/schema.json":      schema,
		"schema.json":                              schema,
	} {
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is stale (-want +got): run go generate ./internal/config/reference\n%s", file, diff)
		}
	}
}

// Every field of every document has a doc comment, which is its prose in the reference.
func TestFieldsAreDescribed(t *testing.T) {
	kinds, groups := yamldoc.Describe(docComments(t, os.DirFS("..")), config.Kinds()...)
	if len(kinds) == 0 || len(groups) == 0 {
		t.Fatalf("%d kinds and %d groups", len(kinds), len(groups))
	}
	for _, g := range append(kinds, groups...) {
		if g.Doc == "" {
			t.Errorf("%s has no doc comment", g.Name)
		}
		for _, f := range g.Fields {
			if f.Doc == "" {
				t.Errorf("%s.%s has no doc comment", g.Name, f.Name)
			}
		}
	}
}

// docComments returns the doc comments of the types of a package and of their fields, by "Type" and
// "Type.Field", each on one line.
func docComments(t *testing.T, pkg fs.FS) map[string]string {
	t.Helper()
	docs := map[string]string{}
	names, err := fs.Glob(pkg, "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(pkg, name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				addTypeDoc(docs, g)
			}
		}
	}
	return docs
}

func addTypeDoc(docs map[string]string, g *ast.GenDecl) {
	spec := g.Specs[0].(*ast.TypeSpec)
	docs[spec.Name.Name] = oneLineOf(g.Doc)
	fields, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range fields.Fields.List {
		for _, name := range f.Names {
			docs[spec.Name.Name+"."+name.Name] = oneLineOf(f.Doc)
		}
	}
}

func oneLineOf(comment *ast.CommentGroup) string {
	return strings.Join(strings.Fields(comment.Text()), " ")
}
